#!/bin/bash
# A machine of its own on this one: processes, network, mounts and users that nobody else sees, so
# that `ray stop` ends nothing but its own. Run as root: unshare --pid --fork --mount-proc --net
# --mount --ipc --kill-child bash tests/serve/ray_up.sh FOLDER VENV
set -euo pipefail
folder=$1 venv=$2 head_ip=192.0.2.10
ip link set lo up
ip addr add $head_ip/32 dev lo
ip route add default dev lo src $head_ip # Ray finds its own address by the way out
for place in /home /run /dev/shm; do mount -t tmpfs tmpfs $place; done
mkdir -p /tmp/ray /home/ubuntu/.ssh /run/sshd
mount -t tmpfs tmpfs /tmp/ray
{
  echo 'ubuntu:x:0:0::/home/ubuntu:/bin/bash'
  echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin'
} >"$folder/passwd"
echo 'ubuntu:*:19000:0:99999:7:::' >"$folder/shadow"
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/shadow" /etc/shadow
mkdir "$folder/home"
export TMPDIR=$folder HOME=$folder/home USER=ubuntu # of who calls `ray up`
"$venv/bin/ray" get-auth-token --generate >/dev/null
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/key"
cp "$folder/key.pub" /home/ubuntu/.ssh/authorized_keys
cat >"$folder/sshd_config" <<CONFIG
ListenAddress $head_ip
HostKey $folder/host
UsePAM no
StrictModes no
PasswordAuthentication no
PidFile none
CONFIG
/usr/sbin/sshd -f "$folder/sshd_config" -E "$folder/sshd.log"
# Not `exec`: the shell is the first process here, and buries those whose parents have gone.
"$venv/bin/python" -m tests.serve.ray_up "$folder" "$venv"
