"""A made-up but realistic sweep: 2 partitions x 3 thresholds, with a failed and a stopped trial."""

import math
from dataclasses import replace

import numpy as np

from profl_ray.server.record import RoundRecord
from profl_ray.strategies.profl import ProFL
from profl_ray.strategies.stages import stages_as_text
from profl_ray.tracking import SweepData, Totals, TrialData
from profl_ray.tracking.data import STAGES_TAG
from profl_ray.tracking.points import round_points, step_tags

FULL_NEED_MIB = 702.0
NEEDS_MIB = {2: {1: 431.0, 2: 236.0}, 4: {1: 365.0, 2: 208.0, 3: 128.0, 4: 151.0}}
QUOTAS_MIB = np.random.default_rng(42).integers(100, 900, 100) * 1e6 / 2**20


def schedule(blocks, patience, map_rounds=6):
    """Return (stage, block, rounds) of each step."""
    shrink = [
        step
        for block in range(blocks, 1, -1)
        for step in (("shrink", block, 8 + patience // 2), ("map", block, map_rounds))
    ]
    return shrink + [("grow", block, 14 + patience + 3 * block) for block in range(1, blocks + 1)]


def make_records(blocks=2, patience=8, seed=0, limit=None):
    """Return the rounds of one run, the first `limit` of them."""
    generator = np.random.default_rng(seed)
    records, number, ever, accuracy = [], 0, set(), 0.1
    for index, (stage, block, rounds) in enumerate(schedule(blocks, patience)):
        need = NEEDS_MIB[blocks][block]
        able = np.flatnonzero(need <= QUOTAS_MIB)
        ceiling = {"shrink": 0.62, "map": accuracy, "grow": 0.74 + 0.16 * block / blocks}[stage]
        start = 0.25 if stage == "shrink" else min(accuracy, ceiling) - 0.05
        for step_round in range(1, rounds + 1):
            number += 1
            cohort = tuple(int(d) for d in generator.choice(able, min(20, len(able)), replace=False))
            failed = {cohort[0]: "exceeded its memory quota"} if generator.random() < 0.05 else {}
            trained = tuple(d for d in cohort if d not in failed)
            ever |= set(trained)
            accuracy = ceiling - (ceiling - start) * math.exp(-step_round / 6) + generator.normal(0, 0.008)
            moves = stage != "map" and step_round > 3
            movement = 0.3 + 0.65 * math.exp(-step_round / 8) + generator.normal(0, 0.01) if moves else None
            slope = -100 * 0.65 / 8 * math.exp(-step_round / 8) * 0.3 if moves and step_round > 6 else None
            last = step_round == rounds
            records.append(
                RoundRecord(
                    round=number,
                    stage=stage,
                    block=block,
                    step_index=index,
                    step_round=step_round,
                    step_ended=last,
                    end_reason=("fixed_rounds" if stage == "map" else "slope") if last else "",
                    units_grown=2 * block if stage == "grow" else 0,
                    test_accuracy=accuracy if step_round % 2 == 0 or last else None,
                    test_loss=2.3 * (1 - accuracy),
                    train_loss=2.0 * (1 - accuracy),
                    test_recalls=None,
                    compares=stage == "grow",
                    figures={
                        name: value
                        for name, value in (("effective_movement", movement), ("slope", slope))
                        if value is not None
                    },
                    need_mib=need,
                    measured_peak_mib=need * 0.97 if stage == "grow" else None,
                    reduction=1 - need / FULL_NEED_MIB,
                    eligible_share=len(able) / len(QUOTAS_MIB),
                    cohort=cohort,
                    trained=trained,
                    failed=failed,
                    num_devices_ever=len(ever),
                    uplink_bytes=len(trained) * int(need * 9000),
                    downlink_bytes=len(trained) * int(need * 11000),
                    local_flops=len(trained) * int(need * 1e8),
                    seconds=1.5 + 0.2 * float(generator.random()),
                )
            )
            if limit and number == limit:
                return records
    return records


def make_totals(records):
    """Return the totals after each round."""
    totals, all_totals = Totals(), []
    for record in records:
        totals = totals.plus(record)
        all_totals.append(totals)
    return all_totals


def make_summary(records):
    """Return the final values of a finished run."""
    peak = max(record.need_mib for record in records)
    totals = make_totals(records)[-1]
    return {
        "final_accuracy": records[-1].test_accuracy,
        "rounds": len(records),
        "peak_need_mib": peak,
        "full_need_mib": FULL_NEED_MIB,
        "reduction": 1 - peak / FULL_NEED_MIB,
        "participation": float(np.mean([record.eligible_share for record in records])),
        "num_devices_ever": records[-1].num_devices_ever,
        "uplink_bytes_total": totals.uplink_bytes,
        "downlink_bytes_total": totals.downlink_bytes,
        "local_flops_total": totals.local_flops,
        "seconds_total": sum(record.seconds for record in records),
    }


def plans():
    """Return (name, swept settings, rounds, status, tags) of the six trials."""
    found = []
    for blocks in (2, 4):
        for place, phi in enumerate((0.5, 0.2, 0.1)):
            settings = {"model.partition": "[4,4]" if blocks == 2 else "[2,2,2,2]", "freezing.phi": str(phi)}
            status, limit, tags = "FINISHED", None, {}
            if blocks == 4 and phi == 0.1:
                status, limit, tags = (
                    "FAILED",
                    21,
                    {"profl_ray.reason": "ActorDiedError: <killed> by the kernel"},
                )
            if blocks == 2 and phi == 0.5:
                status, limit = "KILLED", 9
            records = make_records(blocks, 4 + 7 * place, seed=blocks + place, limit=limit)
            found.append((f"trial-{len(found):02d}", settings, records, status, tags))
    return found


def make_params(settings):
    """Return the parameters of a trial: the configuration, and what was swept."""
    config = {"recipe": "digits", "seed": "42", "model.name": "resnet18", "freezing.fit_rounds": "20"}
    return config | settings | {f"sweep.{key}": value for key, value in settings.items()}


def make_trial(name, settings, records, status, tags):
    """Return a trial as the reader would."""
    latest = {}
    tags = tags | {STAGES_TAG: stages_as_text(ProFL.stages)}
    for record, totals in zip(records, make_totals(records), strict=True):
        latest |= round_points(record, totals)
        tags |= step_tags(record)
    summary = latest | (make_summary(records) if records and status == "FINISHED" else {})
    params = make_params(settings)
    return TrialData(name, name, status, params, summary, tags, list(map(float, QUOTAS_MIB)), records)


def make_sweep():
    """Return the whole sweep as the reader would."""
    trials = [make_trial(*plan) for plan in plans()]
    return SweepData(
        run_id="0123abcd",
        name="freezing-and-partition",
        status="FINISHED",
        description="Freezing thresholds and partitions of a ResNet18.",
        params={"metric": "final_accuracy"},
        tags={},
        trials=trials,
        experiment="profl-ray",
        uri="sqlite:////somewhere/mlflow.db",
    )


def make_comparison(seeds=("1", "2")):
    """Return a comparison of three methods: one grows, one trains at once, one that no device can afford."""
    sweep = make_sweep()
    trials = []
    for seed in seeds:
        for method, blocks in (("profl", 4), ("ideal", 2)):
            settings = {"method": method, "seed": seed}
            records = make_records(blocks, 4 + 3 * int(seed), seed=int(seed))
            if method == "ideal":
                records = [replace(r, stage="train", block=0, step_index=0, compares=True) for r in records]
            trials.append(make_trial(f"{method}-{seed}", settings, records, "FINISHED", {}))
        refused = {"profl_ray.outcome": "n/a", "profl_ray.reason": "no device can train it"}
        trials.append(
            make_trial(f"exclusive-{seed}", {"method": "exclusive", "seed": seed}, [], "FINISHED", refused)
        )
    return replace(sweep, name="compare", description="Three methods.", trials=trials)
