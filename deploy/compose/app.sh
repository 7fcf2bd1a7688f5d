#!/bin/sh
# An application for the demonstration: writes what applications and their servers write, about ten lines a second.
set -eu
cd /var/log/app
i=0
while :; do
	i=$((i + 1))
	now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	case $((i % 10)) in
	0) level=error ;;
	3 | 7) level=warn ;;
	*) level=info ;;
	esac
	echo "{\"time\":\"$now\",\"level\":\"$level\",\"message\":\"order $i\",\"order\":{\"id\":$i,\"amount\":$((i * 37 % 900))}}" >>app.json
	case $((i % 8)) in
	0) status=500 ;;
	5) status=404 ;;
	*) status=200 ;;
	esac
	echo "10.0.0.$((i % 250)) - - [$(date -u '+%d/%b/%Y:%H:%M:%S +0000')] \"GET /orders/$i HTTP/1.1\" $status $((i * 53 % 9000)) $((i * 17 % 700))" >>access.log
	if [ $((i % 20)) = 0 ]; then
		cat >>catalina.out <<-T
			$(date -u '+%d-%b-%Y %H:%M:%S.000') SEVERE [http-nio-8080-exec-$((i % 9))] org.example.shop.Orders.pay order $i was not paid
			java.lang.IllegalStateException: payment refused
			    at org.example.shop.Orders.pay(Orders.java:42)
			    at org.example.shop.Orders.submit(Orders.java:17)
			Caused by: java.io.IOException: Connection reset
			    at java.base/sun.nio.ch.SocketDispatcher.read(SocketDispatcher.java:46)
		T
	fi
	[ $((i % 3)) != 0 ] || sleep 0.3
done
