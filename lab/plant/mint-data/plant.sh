# VM 212: PostgreSQL, Redis and an S3 server with real data, all of it on the boot disk; the data disk stays blank.
docker import --change 'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]' --change 'CMD ["postgres","-c","listen_addresses=*"]' \
  --change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/bin' --change 'ENV PGDATA=/var/lib/postgresql/data' \
  --change 'VOLUME /var/lib/postgresql/data' --change 'EXPOSE 5432' - mint/postgres:15 < postgres.tar
docker import --change 'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]' --change 'CMD ["redis-server","--protected-mode","no"]' \
  --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'VOLUME /data' --change 'WORKDIR /data' --change 'EXPOSE 6379' - mint/redis:7 < redis.tar
docker import --change 'ENTRYPOINT ["/usr/bin/weed"]' --change 'CMD ["mini","-dir=/data","-bucket=quotes","-admin.ui=false"]' \
  --change 'LABEL org.opencontainers.image.title=SeaweedFS' --change 'LABEL waveboard.lab.stands-for=MinIO' \
  --change 'ENV PATH=/usr/bin:/bin' --change 'EXPOSE 8333' - mint/s3:4.48 < s3.tar

mkdir -p /opt/stacks/mint-data /opt/mint/minio-data
cp docker-compose.yml /opt/stacks/mint-data/
cd /opt/stacks/mint-data
docker compose up -d --wait --wait-timeout 240
cd /mnt/plant

docker exec -i mint-modules-postgres psql -qX -v ON_ERROR_STOP=1 -U postgres mint < rows.sql
docker exec mint-modules-postgres psql -AtX -U postgres mint -c 'select count(*) from quotes'

i=1
while [ $i -le 600 ]; do
  echo "SET session:$i user-$((i % 97)) "
  [ $((i % 3)) -ne 0 ] || echo "HSET cart:$i items $((i % 7)) total $((i * 13 % 900))"
  i=$((i + 1))
done | docker exec -i mint-modules-redis redis-cli > /dev/null
docker exec mint-modules-redis redis-cli save

python3 - <<'PY'
import hashlib, pathlib
def stream(name, size):
    out, n = bytearray(), 0
    while len(out) < size:
        out += hashlib.sha512(f"{name}:{n}".encode()).digest(); n += 1
    return bytes(out[:size])
root = pathlib.Path("/run/objects"); root.mkdir()
for n in range(1, 6):
    (root / f"artwork-{n}.bin").write_bytes(stream(f"artwork-{n}", 8 << 20))
for n in range(1, 9):
    (root / f"quote-{n:04}.json").write_text('{"quote": %d, "total": %d}\n' % (n, n * 137))
PY
for object in /run/objects/*; do
  curl -fsS --retry 20 --retry-delay 1 --retry-all-errors --aws-sigv4 aws:amz:us-east-1:s3 --user mint:mint-lab-only -T "$object" \
    "http://127.0.0.1:9000/quotes/${object##*/}"
done
rm -rf /run/objects
