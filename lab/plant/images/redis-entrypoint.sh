#!/bin/sh
# Drops root before it runs the server, as the official image does.
set -e
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown -R redis:redis /data
  exec su -s /bin/sh -c 'cd /data && exec "$0" "$@"' -- redis "$0" "$@"
fi
exec "$@"
