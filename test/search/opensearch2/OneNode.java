import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * One real OpenSearch node in this process: OneNode PORT DATADIR [setting=value ...].
 *
 * The node's jars come as libraries, so there is no plugin folder to read: what a distribution would load as a module is
 * named here.
 */
public class OneNode extends Node {
	private static final List<Class<? extends Plugin>> MODULES = List.of(
		org.opensearch.transport.Netty4Plugin.class,
		org.opensearch.index.mapper.MapperExtrasPlugin.class,
		org.opensearch.index.reindex.ReindexPlugin.class,
		org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin.class,
		org.opensearch.analysis.common.CommonAnalysisPlugin.class,
		org.opensearch.ingest.common.IngestCommonPlugin.class,
		org.opensearch.painless.PainlessPlugin.class);

	private OneNode(Settings settings) {
		super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "weir-test"), MODULES, false);
	}

	private static Settings settings(String[] args) throws Exception {
		Path home = Path.of(args[1]).toAbsolutePath();
		Files.createDirectories(home.resolve("config"));
		Settings.Builder b = Settings.builder()
			.put("path.home", home.toString())
			.put("path.data", home.resolve("data").toString())
			.put("path.logs", home.resolve("logs").toString())
			.put("cluster.name", "weir-test")
			.put("node.name", "weir-test")
			.put("discovery.type", "single-node")
			.put("network.host", "127.0.0.1")
			.put("http.port", args[0])
			.put("transport.port", "0")
			// A limit of mapped areas is a kernel setting that a test machine may not let us change.
			.put("node.store.allow_mmap", false)
			// A full disk elsewhere on the machine is no reason to refuse test documents.
			.put("cluster.routing.allocation.disk.threshold_enabled", false);
		for (int i = 2; i < args.length; i++) {
			String[] kv = args[i].split("=", 2);
			b.put(kv[0], kv[1]);
		}
		return b.build();
	}

	public static void main(String[] args) throws Exception {
		Node node = new OneNode(settings(args));
		CountDownLatch stopped = new CountDownLatch(1);
		Runtime.getRuntime().addShutdownHook(new Thread(() -> {
			try {
				node.close();
			} catch (Exception e) {
				e.printStackTrace();
			}
			stopped.countDown();
		}));
		node.start();
		stopped.await();
	}
}
