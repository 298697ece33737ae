#!/bin/sh
# What it costs to take profiles: one divvy, 500 targets with four types of
# profile at 15 s (bench/profilefarm), a server that forgets what it gets.
# Prints RSS every 5 s, then the CPU time and the profiles of the last minute.
#
#   bench/profiles.sh [targets]
set -eu
cd "$(dirname "$0")/.."
targets=${1:-500}
dir=$(mktemp -d)
farm=
divvy=
trap 'kill $farm $divvy 2>/dev/null || true; wait; rm -r "$dir"' EXIT
go build -o "$dir/divvy" ./cmd/divvy
go build -o "$dir/profilefarm" ./bench/profilefarm
"$dir/profilefarm" "$targets" 6060 & farm=$!
{
	echo 'pyroscope.scrape "load" {'
	echo '  targets = ['
	i=0
	while [ "$i" -lt "$targets" ]; do
		echo "    {\"__address__\" = \"127.2.$((i / 250)).$((i % 250 + 1)):6060\", \"service_name\" = \"s$i\"},"
		i=$((i + 1))
	done
	echo '  ]'
	echo '  profiling_config {'
	echo '    profile.block {'
	echo '      enabled = false'
	echo '    }'
	echo '  }'
	echo '  forward_to = [pyroscope.write.server.receiver]'
	echo '}'
	echo 'pyroscope.write "server" {'
	echo '  endpoint {'
	echo '    url = "http://127.2.255.1:6060"'
	echo '  }'
	echo '}'
} > "$dir/config.alloy"
sleep 3
"$dir/divvy" run --server.http.listen-addr=127.0.0.1:22399 --storage.path="$dir/storage" "$dir/config.alloy" 2> "$dir/log" & divvy=$!
sleep 45
kill -0 $divvy || { cat "$dir/log"; exit 1; }
ticks() { awk '{print $14 + $15}' "/proc/$divvy/stat"; }
taken() { curl -s http://127.2.255.1:6060/taken; }
before=$(ticks) taken=$(taken)
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	sleep 5
	grep VmRSS "/proc/$divvy/status"
done
grep VmHWM "/proc/$divvy/status"
echo "CPU: $(($(ticks) - before)) hundredths of a second in 60 s"
echo "profiles and bytes: $taken, then $(taken)"
curl -s http://127.0.0.1:22399/metrics | grep -E '^divvy_profile_slots_(served|missed|late)_total|^divvy_profiles_failed'
