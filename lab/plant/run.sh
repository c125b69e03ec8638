# Runs once inside a guest being baked: the host's own plant, then the fill of the root, then power off.
set -eu
cd /mnt/plant
. ./plant.sh

rm -rf /etc/systemd/system/lab-plant.service /etc/systemd/system/multi-user.target.d
rm -rf /var/log/journal/* /run/log/journal/* /root/.docker
: > /etc/machine-id
sync

# Older releases nobody removed bring the root to its planned use. They are image layers of zeros: real blocks in the
# guest's filesystem, holes in the image file below it, so a reset stays cheap.
df -B1 --output=used,avail / | tail -1 > /run/df
mib=$(awk -v want="$(cat root-use)" '{ need = ($1 + $2) * want / 100 - $1; print (need < 0 ? 0 : int(need / 1048576)) }' /run/df)
for release in 2025.06:55 2025.09:45; do
  mkdir -p /run/fill/opt/mint
  truncate -s "$((mib * ${release#*:} / 100))M" /run/fill/opt/mint/assets.pack
  tar -C /run/fill -c . | docker import - "mint/platform:${release%:*}"
  rm -rf /run/fill
done
sync
df /
docker system df
fstrim / || true
echo PLANTED
sync
systemctl poweroff --no-block
