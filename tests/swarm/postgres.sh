#!/bin/sh
# As the public image of PostgreSQL does: make a cluster on first use, and serve it. The binaries
# are those that came in the platform's own requirements.
set -eu
shift # the name of the program
find='from pathlib import Path
from nsml_local.binaries import postgres_programs
print(postgres_programs(Path("/none")))'
bin=$(python3 -c "$find")
data=/var/lib/postgresql/data/cluster
own="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ ! -f "$data/PG_VERSION" ]; then
    mkdir -p "$data" && chown 65534:65534 "$data" && chmod 700 "$data"
    install -o 65534 -m 600 "$POSTGRES_PASSWORD_FILE" /run/password
    $own "$bin/initdb" -D "$data" --username="$POSTGRES_USER" --auth=scram-sha-256 \
        --pwfile=/run/password --encoding=UTF8 --locale=C
    rm /run/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
fi
exec $own "$bin/postgres" -D "$data" -k /tmp -c listen_addresses='*' "$@"
