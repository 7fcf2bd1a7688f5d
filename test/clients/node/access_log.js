// An application server's access log, by @fluent-org/logger with acks: node access_log.js HOST PORT TAG COUNT SEED
"use strict";

const { FluentClient, EventTime } = require("@fluent-org/logger");

const PATHS = ["/", "/shop/cart", "/shop/order", "/api/v1/items", "/api/v1/search?q=%ED%82%A4%EB%B3%B4%EB%93%9C", "/login", "/static/app.js"];
const AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Chrome/139.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)", "okhttp/4.12.0", "curl/7.88.1"];
const STATUSES = [200, 200, 200, 200, 200, 200, 302, 304, 404, 500];

function dice(seed) {
	let x = seed >>> 0;
	return (n) => {
		x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
		return (x >>> 8) % n;
	};
}

function record(pick, tag, seq) {
	const remote = `10.${pick(256)}.${pick(256)}.${pick(256)}`;
	const method = pick(5) ? "GET" : "POST";
	const path = PATHS[pick(PATHS.length)];
	const status = STATUSES[pick(STATUSES.length)];
	const bytes = pick(50000);
	return {
		sender: tag,
		seq,
		remote,
		method,
		path,
		status,
		bytes,
		took_ms: pick(100000) / 100,
		agent: AGENTS[pick(AGENTS.length)],
		line: `${remote} - - "${method} ${path} HTTP/1.1" ${status} ${bytes}`,
	};
}

async function main() {
	const [host, port, tag, count, seed] = process.argv.slice(2);
	const client = new FluentClient(null, {
		eventMode: "PackedForward",
		socket: { host, port: Number(port), timeout: 30000 },
		ack: { ackTimeout: 30000 },
		flushInterval: 20,
		sendQueueIntervalFlushLimit: { length: 500 },
		disconnect: { waitForPending: true, waitForPendingDelay: 30000 },
	});
	const pick = dice(Number(seed));
	const sent = [];
	for (let seq = 0; seq < Number(count); seq++) {
		sent.push(client.emit(tag, record(pick, tag, seq), EventTime.now()));
	}
	await Promise.all(sent);
	await client.disconnect();
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
