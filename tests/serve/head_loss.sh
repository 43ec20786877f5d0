#!/bin/bash
# Two machines inside this one, each with processes, network and mounts of its own. Run as root, under
# `unshare --pid --fork --mount-proc --net --mount --ipc --kill-child`:
#   head_loss.sh worker FOLDER VENV    a worker, on which a client and a Redis run too
#   head_loss.sh head LINK             a head at the other end of a cable, which the worker plugs in;
#                                      runs the lines of its standard input, and says when it has
set -euo pipefail
head_ip=192.0.2.10 worker_ip=192.0.2.11
role=$1
ip link set lo up
mount -t tmpfs tmpfs /dev/shm
if [ "$role" = worker ]; then
  folder=$2 venv=$3
  ip link add switch type bridge
  ip addr add $worker_ip/24 dev switch
  ip link set switch up
  ip route add default dev switch src $worker_ip # Ray finds its own address by the way out
  mount -t tmpfs tmpfs /home
  mkdir -p /tmp/ray /home/ubuntu
  mount -t tmpfs tmpfs /tmp/ray
  ln -s "$venv" /home/ubuntu/venv
  ln -s "$PWD" /home/ubuntu/app
  export HOME=/home/ubuntu TMPDIR=$folder
  ~/venv/bin/ray get-auth-token --generate >/dev/null
  # Not `exec`: the shell is the first process here, and buries those whose parents have gone.
  ~/venv/bin/python -m tests.serve.head_loss "$folder"
else
  link=$2
  mount -t tmpfs tmpfs /tmp/ray # what the last head had on its disk is lost
  until ip link show "$link" >/dev/null 2>&1; do sleep 0.05; done
  ip addr add $head_ip/24 dev "$link"
  ip link set "$link" up
  ip route add default dev "$link" src $head_ip
  bash -s >&2
  echo up
  sleep infinity & # a shell that waits buries its dead
  wait
fi
