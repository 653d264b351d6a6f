#!/bin/sh
# As the public image of PostgreSQL does: make a cluster on first use, and serve it. Unlike that one
# it takes nobody who speaks without TLS.
set -eu
shift # the name of the program
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data/cluster
own="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ ! -f "$data/PG_VERSION" ]; then
    mkdir -p "$data" && chown 65534:65534 "$data" && chmod 700 "$data"
    install -o 65534 -m 600 "$POSTGRES_PASSWORD_FILE" /run/password
    $own "$bin/initdb" -D "$data" --username="$POSTGRES_USER" --auth=scram-sha-256 \
        --pwfile=/run/password --encoding=UTF8 --locale=C
    rm /run/password
    echo "hostssl all all all scram-sha-256" >>"$data/pg_hba.conf"
fi
exec $own "$bin/postgres" -D "$data" -k /tmp -c listen_addresses='*' -c jit=off "$@"
