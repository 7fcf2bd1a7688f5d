import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.komamitsu.fluency.EventTime;
import org.komamitsu.fluency.Fluency;
import org.komamitsu.fluency.fluentd.FluencyBuilderForFluentd;

/** An application server's errors with real stack traces, by Fluency with acks: StackTraces HOST PORT TAG COUNT SEED */
public class StackTraces {
	private static final String[] CAUSES = {"connection pool is empty: 대기 시간 초과", "Cannot invoke \"Order.getItems()\" because \"order\" is null",
		"결제 서버가 응답하지 않습니다 (HTTP 503)"};

	private static Throwable fail(int depth, Random dice) {
		if (depth > 0) {
			return fail(depth - 1, dice);
		}
		Exception cause = new IllegalStateException(CAUSES[dice.nextInt(CAUSES.length)]);
		return new RuntimeException("order could not be placed", cause);
	}

	private static Map<String, Object> record(String tag, int seq, Random dice) {
		Throwable t = fail(3 + dice.nextInt(5), dice);
		StringWriter trace = new StringWriter();
		t.printStackTrace(new PrintWriter(trace));
		Map<String, Object> r = new HashMap<>();
		r.put("sender", tag);
		r.put("seq", seq);
		r.put("level", "ERROR");
		r.put("logger", "com.example.shop.OrderService");
		r.put("thread", "http-nio-8080-exec-" + (1 + dice.nextInt(20)));
		r.put("message", t.getCause().getMessage());
		r.put("stack_trace", trace.toString());
		return r;
	}

	public static void main(String[] a) throws Exception {
		Random dice = new Random(Long.parseLong(a[4]));
		FluencyBuilderForFluentd builder = new FluencyBuilderForFluentd();
		builder.setAckResponseMode(true);
		builder.setFlushAttemptIntervalMillis(50);
		Fluency fluency = builder.build(a[0], Integer.parseInt(a[1]));
		for (int seq = 0; seq < Integer.parseInt(a[3]); seq++) {
			EventTime now = EventTime.fromEpochMilli(System.currentTimeMillis());
			fluency.emit(a[2], now, record(a[2], seq, dice));
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
