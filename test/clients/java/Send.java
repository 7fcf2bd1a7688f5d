import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.komamitsu.fluency.EventTime;
import org.komamitsu.fluency.Fluency;
import org.komamitsu.fluency.fluentd.FluencyBuilderForFluentd;

/** Fluency: Send HOST PORT TAG COUNT SEED [ack]. The rule of the events: ../events.py */
public class Send {
	private static final long BASE = 1767225600L;
	private static final String[] LEVELS = {"debug", "info", "warn", "error"};
	private static final String[] WORDS = {"order", "결제", "완료", "🙂", "naïve", "日本語", "\"quoted\"", "back\\slash", "<tag>&amp;",
		"tab\there", "👩‍👩‍👧‍👦", "0"};
	private static final long[] INTS = {0, 1, -1, 127, 128, -129, 65536, 2147483648L, -2147483649L, 9007199254740991L,
		9007199254740993L, 4611686018427387905L, -4611686018427387905L, 9223372036854775806L, 9223372036854775807L,
		-9223372036854775808L};
	private static final double[] FLOATS = {0.1, -2.5, 3.141592653589793, 1e300, 5e-324, 1.0};
	private static final String CONTROL = "\0\1\37\t\r\n\"\\/\177" + (char) 0x2028 + (char) 0xfeff;
	private static final String LONG = "가나다라";

	private static int mix(int x) {
		x = (x ^ x >>> 16) * 0x7FEB352D;
		x = (x ^ x >>> 15) * 0x846CA68B;
		return x ^ x >>> 16;
	}

	/** h(k) % n of the rule. */
	private static int pick(int seed, int seq, int k, int n) {
		return Integer.remainderUnsigned(mix(seed * 0x9E3779B1 + seq * 0x85EBCA77 + k * 0xC2B2AE3D), n);
	}

	private static Map<String, Object> record(String tag, int seed, int seq) {
		Map<String, Object> user = new HashMap<>();
		user.put("name", WORDS[pick(seed, seq, 7, 12)]);
		user.put("roles", Arrays.asList(LEVELS[pick(seed, seq, 8, 4)], seq % 7, true, null));
		user.put("deep", Map.of("a", Map.of("b", List.of(List.of(), Map.of("c", seq), Map.of()))));
		Map<String, Object> r = new HashMap<>();
		r.put("sender", tag);
		r.put("seq", seq);
		r.put("level", LEVELS[pick(seed, seq, 1, 4)]);
		r.put("message", IntStream.range(0, pick(seed, seq, 2, 6)).mapToObj(i -> WORDS[pick(seed, seq, 10 + i, 12)])
			.collect(Collectors.joining(" ")));
		r.put("count", INTS[pick(seed, seq, 3, 16)]);
		r.put("ratio", pick(seed, seq, 4, 1000000) / 1000.0 + 0.0005);
		r.put("exact", FLOATS[pick(seed, seq, 5, 6)]);
		r.put("ok", pick(seed, seq, 6, 2) == 0);
		r.put("nothing", null);
		r.put("user", user);
		r.put("control", CONTROL);
		r.put("long", LONG.repeat(pick(seed, seq, 12, 50) == 0 ? 5000 : pick(seed, seq, 12, 8)));
		return r;
	}

	public static void main(String[] a) throws Exception {
		String tag = a[2];
		int count = Integer.parseInt(a[3]), seed = Integer.parseInt(a[4]);
		FluencyBuilderForFluentd builder = new FluencyBuilderForFluentd();
		builder.setAckResponseMode(Arrays.asList(a).contains("ack"));
		builder.setFlushAttemptIntervalMillis(50);
		Fluency fluency = builder.build(a[0], Integer.parseInt(a[1]));
		for (int seq = 0; seq < count; seq++) {
			fluency.emit(tag, EventTime.fromEpoch((int) (BASE + seq), pick(seed, seq, 9, 1000) * 1000000), record(tag, seed, seq));
		}
		fluency.flush();
		boolean empty = fluency.waitUntilAllBufferFlushed(60);
		fluency.close();
		if (!empty || !fluency.waitUntilFlusherTerminated(60)) {
			System.err.println("not everything could be sent");
			System.exit(1);
		}
	}
}
