# VM 213: eight small web applications, uploads in a container's own /tmp, junk in the host's /tmp, images and cache nobody cleans.
docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'CMD ["sh"]' - mint/busybox:1 < busybox.tar

stack=/opt/stacks/mint-apps
mkdir -p $stack
cp docker-compose.yml $stack/
apps="artwork files-api finance-adapter order-form order-intake pricing quote-page shipping"
for release in 1.4.0 1.4.1 1.4.2; do
  for app in $apps; do
    # The two older releases of two applications are what nobody removed.
    case "$release:$app" in 1.4.2:* | *:quote-page | *:order-form) ;; *) continue ;; esac
    docker build -q --build-arg APP=$app --build-arg RELEASE=$release -t mint/$app:$release app
  done
done
docker build -q --build-arg APP=pricing --build-arg RELEASE=1.4.2-hotfix -t mint/pricing:1.4.2 app   # the image before it dangles
for app in artwork finance-adapter order-intake quote-page; do
  mkdir -p $stack/$app
  sed -n "/^  $app:/,/^\$/p" docker-compose.yml | sed '1i services:' > $stack/$app/docker-compose.yml   # superseded copies
done

cd $stack
docker compose up -d --wait --wait-timeout 240
cd /mnt/plant

for n in 1 2 3; do
  head -c 200000 /dev/urandom | base64 > /run/upload
  docker exec -i mint-apps-quote-page wget -q -O /dev/null --post-file=/proc/self/fd/0 http://127.0.0.1:8080/cgi-bin/upload < /run/upload
done
docker exec mint-apps-quote-page ls -l /tmp/quote-page-uploads

head -c 40000000 /dev/urandom > /tmp/mint-export-20260110.tar
head -c 12582912 /dev/urandom > /tmp/qp-12mb.bin
echo scratch > /tmp/notes.txt
