// @fluent-org/logger: node send.js HOST PORT TAG COUNT SEED MODE [ack]. MODE is Message, Forward, PackedForward or
// CompressedPackedForward. The rule of the events: ../events.py
"use strict";

const { FluentClient, EventTime } = require("@fluent-org/logger");

const BASE = 1767225600;
const LEVELS = ["debug", "info", "warn", "error"];
const WORDS = ["order", "결제", "완료", "🙂", "naïve", "日本語", '"quoted"', "back\\slash", "<tag>&amp;", "tab\there", "👩‍👩‍👧‍👦", "0"];
const INTS = [0, 1, -1, 127, 128, -129, 65536, 2147483648, -2147483649, 9007199254740991];
const FLOATS = [0.1, -2.5, 3.141592653589793, 1e300, 5e-324];
const CONTROL = '\x00\x01\x1f\t\r\n"\\/\x7f\u2028\ufeff';
const LONG = "가나다라";

function mix(x) {
	x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
	x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
	return (x ^ (x >>> 16)) >>> 0;
}

function hash(seed, seq, k) {
	return mix((Math.imul(seed, 0x9e3779b1) + Math.imul(seq, 0x85ebca77) + Math.imul(k, 0xc2b2ae3d)) | 0);
}

function record(tag, seed, seq) {
	const h = (k) => hash(seed, seq, k);
	return {
		sender: tag,
		seq,
		level: LEVELS[h(1) % 4],
		message: Array.from({ length: h(2) % 6 }, (_, i) => WORDS[h(10 + i) % 12]).join(" "),
		count: INTS[h(3) % 10],
		ratio: (h(4) % 1000000) / 1000 + 0.0005,
		exact: FLOATS[h(5) % 5],
		ok: h(6) % 2 === 0,
		nothing: null,
		user: {
			name: WORDS[h(7) % 12],
			roles: [LEVELS[h(8) % 4], seq % 7, true, null],
			deep: { a: { b: [[], { c: seq }, {}] } },
		},
		control: CONTROL,
		long: LONG.repeat(h(12) % 50 === 0 ? 5000 : h(12) % 8),
	};
}

async function main() {
	const [host, port, tag, count, seed, mode, ...options] = process.argv.slice(2);
	const client = new FluentClient(null, {
		eventMode: mode,
		socket: { host, port: Number(port), timeout: 30000 },
		ack: options.includes("ack") ? { ackTimeout: 30000 } : undefined,
		flushInterval: 20,
		sendQueueIntervalFlushLimit: { length: 500 },
		disconnect: { waitForPending: true, waitForPendingDelay: 30000, socketDisconnectDelay: 200 },
	});
	let sent = [];
	for (let seq = 0; seq < Number(count); seq++) {
		const when = new EventTime(BASE + seq, (hash(Number(seed), seq, 9) % 1000) * 1000000);
		sent.push(client.emit(tag, record(tag, Number(seed), seq), when));
		if (sent.length === 1000) {
			// With ack, the promise of an event is kept when its chunk is acknowledged.
			await Promise.all(sent);
			sent = [];
		}
	}
	await Promise.all(sent);
	await client.disconnect();
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
