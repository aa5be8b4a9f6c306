from dataclasses import replace

from profl_ray.tracking.outbox import Outbox, Parcel


class Store:
    """A store that is away or not, with a clock: a call takes two seconds."""

    def __init__(self):
        self.now, self.away, self.sent, self.tries = 0.0, False, [], 0

    def parcel(self, name, size=1):
        def send():
            self.now += 2.0
            self.tries += 1
            if self.away:
                raise OSError("no route to host")
            self.sent.append(name)

        return Parcel(send, size)


def test_parcels_leave_in_order_after_an_outage():
    store = Store()
    outbox = Outbox(clock=lambda: store.now)
    store.away = True
    outbox.add(store.parcel("a", size=20))
    assert not outbox.flush()
    assert (outbox.waiting, outbox.last_error) == (20, "no route to host")
    outbox.add(store.parcel("b"))
    store.away = False
    store.now += 100
    assert outbox.flush()
    assert store.sent == ["a", "b"]
    assert outbox.give_up() == 0


def test_tries_pause_for_ten_times_as_long_as_a_failure_took():
    store = Store()
    outbox = Outbox(clock=lambda: store.now)
    store.away = True
    outbox.add(store.parcel("a"))
    for _ in range(1000):
        outbox.flush()
        store.now += 0.1
    assert store.tries == 5, "100 s of training, 22 s from try to try"
    assert not outbox.flush(force=True)
    assert store.tries == 6


def test_a_full_outbox_loses_the_oldest():
    store = Store()
    outbox = Outbox(max_parcels=2, clock=lambda: store.now)
    for name in "abc":
        outbox.add(store.parcel(name, size=7))
    outbox.flush()
    assert store.sent == ["b", "c"]
    assert outbox.give_up() == 7


def test_a_newer_version_of_a_file_takes_the_place_of_one_that_waits():
    store = Store()
    outbox = Outbox(clock=lambda: store.now)
    for name, path in (("a 1", "a"), ("b 1", "b"), ("c", ""), ("c", ""), ("a 2", "a")):
        outbox.add(replace(store.parcel(name), path=path))
    outbox.flush()
    assert store.sent == ["b 1", "c", "c", "a 2"]
    assert outbox.give_up() == 0, "an older version is not lost"
