#!/bin/bash
# The old way, for each layout on stdin (`path LAYOUT PATH` | `inside LAYOUT CONTAINER PATH`): what findmnt calls the source.
printf '/ %s\n' "$(findmnt -n -o SOURCE --target /)"
while read -r kind layout first second; do
	path=$first
	if [ "$kind" = inside ]; then # only containers that `docker ps` shows were ever asked
		path=$(docker ps --format '{{.Names}}' | grep -qx "$first" &&
			docker inspect -f "{{range .Mounts}}{{if eq .Destination \"$second\"}}{{.Source}}{{end}}{{end}}" "$first")
	fi
	said=$([ -z "$path" ] || timeout -s KILL 20 findmnt -n -o SOURCE --target "$path" </dev/null | tr '\n' '|')
	printf '%s %s\n' "$layout" "${said%|}"
done
