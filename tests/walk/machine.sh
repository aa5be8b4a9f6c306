#!/usr/bin/env bash
# The first process of a walk's machine, in namespaces of its own: FOLDER holds what is mounted, PLACE is where the
# project is installed from, VENV its environment.
# Usage: machine.sh FOLDER PLACE VENV
set -euo pipefail
folder="$1" place="$2" venv="$3"

ip link set lo up
# Its address beside loopback, and that of a second machine: all of it stays inside.
ip address add 10.0.0.1/32 dev lo
ip address add 10.0.0.2/32 dev lo
ip route add default dev lo src 10.0.0.1

# Entry by entry, so that the stamps of the Makefile are this copy's own: nothing is installed again.
for entry in "$venv"/*; do
  inside="$folder/tree/.venv/${entry##*/}"
  if [[ -d "$entry" ]]; then mkdir -p "$inside"; else touch "$inside"; fi
  mount --bind "$entry" "$inside"
done
touch "$folder/tree/.venv/.installed" "$folder/tree/.venv/.installed-dev"

mount --bind "$folder/hosts" /etc/hosts
covered=(mnt srv tmp) # /tmp last: the folder is in it
for name in "${covered[@]}"; do
  # A project that lies below /tmp or its like is seen there, too.
  if [[ "$place" == "/$name/"* ]]; then
    mkdir -p "$folder/$name/${place#"/$name/"}"
    mount --rbind "$folder/tree" "$folder/$name/${place#"/$name/"}"
    place=""
  fi
done
if [[ -n "$place" ]]; then mount --rbind "$folder/tree" "$place"; fi
for name in "${covered[@]}"; do mount --rbind "$folder/$name" "/$name"; done

sleep infinity &
echo up
wait
