package weir.test;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.Build;
import org.elasticsearch.action.admin.cluster.state.ClusterStateRequest;
import org.elasticsearch.action.admin.cluster.state.ClusterStateResponse;
import org.elasticsearch.action.admin.indices.create.AutoCreateAction;
import org.elasticsearch.action.admin.indices.create.CreateIndexRequest;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexNotFoundException;
import org.elasticsearch.index.IndexVersion;
import org.elasticsearch.index.analysis.PreConfiguredTokenFilter;
import org.elasticsearch.index.analysis.PreConfiguredTokenizer;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestBuilderListener;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * The build for integration tests lacks three modules that weir's tests touch: rest-root (GET /), data-streams (GET and PUT
 * _data_stream) and analysis-common, whose filters the security index names, so that no API key can be made without them.
 * The answers given here have the fields that a client looks at; they are not Elasticsearch's own.
 */
public class MissingParts extends Plugin implements ActionPlugin, AnalysisPlugin {
	private static final TimeValue WAIT = TimeValue.timeValueSeconds(30);

	@Override
	public List<RestHandler> getRestHandlers(Settings settings, NamedWriteableRegistry registry, RestController controller,
			ClusterSettings cluster, IndexScopedSettings scoped, SettingsFilter filter, IndexNameExpressionResolver resolver,
			Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
		return List.of(new WhoIsIt(), new ListDataStreams(), new MakeDataStream());
	}

	@Override
	public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
		return Map.of("pattern_capture", (index, env, name, s) -> filter(name, in -> capture(in, s)),
			"unique", (index, env, name, s) -> filter(name, in -> in));
	}

	@Override
	public List<PreConfiguredTokenFilter> getPreConfiguredTokenFilters() {
		return List.of(PreConfiguredTokenFilter.singleton("unique", false, in -> in));
	}

	@Override
	public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
		return Map.of("uax_url_email", (index, env, name, s) -> new TokenizerFactory() {
			@Override
			public String name() {
				return name;
			}

			@Override
			public Tokenizer create() {
				return new UAX29URLEmailTokenizer();
			}
		});
	}

	@Override
	public List<PreConfiguredTokenizer> getPreConfiguredTokenizers() {
		return List.of(PreConfiguredTokenizer.singleton("uax_url_email", UAX29URLEmailTokenizer::new));
	}

	private static TokenStream capture(TokenStream in, Settings s) {
		Pattern[] patterns = s.getAsList("patterns").stream().map(Pattern::compile).toArray(Pattern[]::new);
		return new PatternCaptureGroupTokenFilter(in, s.getAsBoolean("preserve_original", true), patterns);
	}

	private static TokenFilterFactory filter(String name, UnaryOperator<TokenStream> make) {
		return new TokenFilterFactory() {
			@Override
			public String name() {
				return name;
			}

			@Override
			public TokenStream create(TokenStream in) {
				return make.apply(in);
			}
		};
	}

	private static class WhoIsIt extends BaseRestHandler {
		@Override
		public String getName() {
			return "weir_test_root";
		}

		@Override
		public List<Route> routes() {
			return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
		}

		@Override
		protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
			ClusterStateRequest ask = new ClusterStateRequest(WAIT).clear().nodes(true).metadata(true);
			return channel -> client.admin().cluster().state(ask, new RestBuilderListener<>(channel) {
				@Override
				public RestResponse buildResponse(ClusterStateResponse r, XContentBuilder b) throws Exception {
					Build build = Build.current();
					b.startObject();
					b.field("name", r.getState().nodes().getLocalNode().getName());
					b.field("cluster_name", r.getClusterName().value());
					b.field("cluster_uuid", r.getState().metadata().clusterUUID());
					b.startObject("version");
					b.field("number", build.qualifiedVersion());
					b.field("build_flavor", build.flavor());
					b.field("build_type", build.type().displayName());
					b.field("build_hash", build.hash());
					b.field("build_date", build.date());
					b.field("build_snapshot", build.isSnapshot());
					b.field("lucene_version", IndexVersion.current().luceneVersion().toString());
					b.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
					b.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
					b.endObject();
					b.field("tagline", "You Know, for Search");
					b.endObject();
					return new RestResponse(RestStatus.OK, b);
				}
			});
		}
	}

	private static class ListDataStreams extends BaseRestHandler {
		@Override
		public String getName() {
			return "weir_test_list_data_streams";
		}

		@Override
		public List<Route> routes() {
			return List.of(new Route(RestRequest.Method.GET, "/_data_stream"),
				new Route(RestRequest.Method.GET, "/_data_stream/{name}"));
		}

		@Override
		protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
			String[] names = Strings.splitStringByCommaToArray(request.param("name", "*"));
			boolean one = names.length == 1 && Regex.isSimpleMatchPattern(names[0]) == false;
			return channel -> client.admin().cluster().state(new ClusterStateRequest(WAIT), new RestBuilderListener<>(channel) {
				@Override
				public RestResponse buildResponse(ClusterStateResponse r, XContentBuilder b) throws Exception {
					boolean found = false;
					b.startObject().startArray("data_streams");
					for (DataStream d : new TreeMap<>(r.getState().metadata().dataStreams()).values()) {
						if (Regex.simpleMatch(names, d.getName())) {
							d.toXContent(b, ToXContent.EMPTY_PARAMS);
							found = true;
						}
					}
					b.endArray().endObject();
					if (one && found == false) {
						return new RestResponse(channel, new IndexNotFoundException(names[0]));
					}
					return new RestResponse(RestStatus.OK, b);
				}
			});
		}
	}

	private static class MakeDataStream extends BaseRestHandler {
		@Override
		public String getName() {
			return "weir_test_make_data_stream";
		}

		@Override
		public List<Route> routes() {
			return List.of(new Route(RestRequest.Method.PUT, "/_data_stream/{name}"));
		}

		@Override
		protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
			CreateIndexRequest make = new CreateIndexRequest(request.param("name"));
			return channel -> client.execute(AutoCreateAction.INSTANCE, make, new RestToXContentListener<>(channel));
		}
	}
}
