"""Mutants of everything but the buffer, for mutants.py: each breaks one promise of the delivery, the acks or the end. The test that has to fail on it is named:
"unit:DIR/NAME" for test/unit/DIR/NAME_test.c, else as pytest calls it, below test/integration."""

FAULTS = "test_faults.py::"

# name, file, [(text, what stands there instead)], tests
MUTANTS = [
    ("ack of a message that was not stored", "server/forward_session.c", [
        ("\t\tif (error && !s->mute) {\n", "\t\tif (error && !s->mute && s->throw_acks) {\n"),
    ], [FAULTS + "test_refused_is_not_acknowledged"]),
    ("a refused event is not in the books", "server/ingest.c", [
        ("\tcounter_add(in->source->n.refused, f->count);\n\tstruct txn *t", "\tstruct txn *t"),
    ], [FAULTS + "test_refused_is_not_acknowledged"]),
    ("409 is a failure", "lib/elastic/bulk_reply.c", [
        ("return create ? BULK_DUPLICATE : BULK_RETRY;", "return create ? BULK_REJECT : BULK_RETRY;"),
    ], ["unit:elastic/bulk_reply", FAULTS + "test_reply_unreadable[lost]"]),
    ("429 is for good", "lib/elastic/bulk_reply.c", [
        ("status == 408 || status == 429 ||", "status == 408 ||"),
    ], ["unit:elastic/bulk_reply", FAULTS + "test_items_rejected"]),
    ("a blocked index is for good", "lib/elastic/bulk_reply.c", [
        ("\t\treturn BULK_HOLD;\n\treturn BULK_REJECT;", "\t\treturn BULK_REJECT;\n\treturn BULK_REJECT;"),
    ], ["unit:elastic/bulk_reply", FAULTS + "test_blocked_index[write block]"]),
    ("a cut reply is a success", "lib/elastic/bulk_reply.c", [
        ("\t\treturn unreadable(body, err);\n", "\t\tr->count = count;\n\t\t(void)unreadable(body, err);\n\t\treturn true;\n"),
    ], ["unit:elastic/bulk_reply"]),
    ("fewer items than sent are a success", "lib/elastic/bulk_reply.c", [
        ("\tif (r->count != count)\n\t\treturn err_set(", "\tif (r->count > count)\n\t\treturn err_set("),
    ], ["unit:elastic/bulk_reply"]),
    ("errors without items are a success", "lib/elastic/bulk_reply.c", [
        ("\tif (!has_items && errors == NO) {", "\tif (!has_items) {"),
    ], ["unit:elastic/bulk_reply"]),
    ("the whole chunk again after a partial failure", "server/elasticsearch_flush.c", [
        ("\tadvance(t);\n\tt->report->progressed", "\tif (t->again_count)\n\t\treturn false;\n\tadvance(t);\n\tt->report->progressed"),
    ], [FAULTS + "test_items_rejected"]),
    ("what is rejected for now is forgotten", "server/elasticsearch_flush.c", [
        ("\t\tmemcpy(now + kept, t->again, t->again_count * sizeof *now);", "\t\tmemset(now + kept, 0, t->again_count * sizeof *now);"),
    ], [FAULTS + "test_items_rejected"]),
    ("the state of a retry is not kept", "server/elasticsearch_flush.c", [
        ("\tsave(t, true);\n", ""),
    ], [FAULTS + "test_retry_state_survives_a_kill"]),
    ("what is behind a rejected event in its chunk waits", "server/elasticsearch_flush.c", [
        ("\tif (!all_held && (t->busy || ", "\tif (!all_held && (1 || "),
    ], ["test_books.py::test_one_index_takes_nothing[503-unavailable_shards_exception]"]),
    ("what was read of a chunk is delivered", "server/chunk_rest.c", [
        ("outcome(r, r->marked_returned);\n\tchunk_account", "outcome(r, r->returned);\n\tchunk_account"),
    ], ["test_outputs_http.py::test_dropped_undelivered"]),
    ("an output that comes back has its old threads, too", "server/reload.c", [
        ("\tfor (const struct generation *old = g; old; old = old->next)\n", "\tfor (const struct generation *old = g; old; old = NULL)\n"),
    ], ["test_reload.py::test_output_comes_back"]),
    ("a chunk goes although some of it failed", "server/flow.c", [
        ("\t\tcounter_add(f->n.retries, 1);\n", "\t\tcounter_add(f->n.retries, 1);\n\t\tcommit(f, c);\n\t\treturn;\n"),
    ], [FAULTS + "test_items_rejected"]),
    ("what is held is done", "server/elasticsearch_flush.c", [
        ("return t->for_now ? FLUSH_RETRY : t->pending_held ? FLUSH_BLOCKED : FLUSH_DONE;", "return FLUSH_DONE;"),
    ], [FAULTS + "test_blocked_index[closed]"]),
    ("401 and the like are done", "server/elasticsearch_post.c", [
        ("r.status >= 500 ? POST_DOWN : POST_HOLD);", "r.status >= 500 ? POST_DOWN : POSTED);"),
    ], [FAULTS + "test_somebody_must_mend_it[401]"]),
    ("a whole request's 400 is the fault of all", "server/elasticsearch_post.c", [
        ("\tif (last - first == 1)\n\t\treturn refused_alone(t, body, first, r->status, text);\n",
         "\tfor (size_t i = first; i < last; i++)\n\t\t(void)refused_alone(t, body, i, r->status, text);\n"
         "\tif (last > first)\n\t\treturn POSTED;\n"),
    ], [FAULTS + "test_whole_request_refused"]),
    ("a configuration that is refused makes dead letters", "server/elasticsearch_post.c", [
        ("\tif (!all_are_refused(t, body, at + 1))\n", "\tif (1 || !all_are_refused(t, body, at + 1))\n"),
        ("\tif (p == POSTED && count > 1 && t->refused_whole == count) {", "\tif (0) {"),
    ], [FAULTS + "test_configuration_refused"]),
    ("a part is counted twice", "server/elasticsearch_post.c", [
        ("\t\t\tt->tally.indexed++;\n", "\t\t\tcounter_add(t->es->n.indexed, 1);\n"),
    ], [FAULTS + "test_books_of_a_request_in_parts"]),
    ("dead letters are not written", "server/elasticsearch_post.c", [
        ("\tif (!list || dead_letters_bury(", "\tif (list || dead_letters_bury("),
    ], [FAULTS + "test_one_document_refused"]),
    ("what is given up goes to nothing", "server/flow.c", [
        ("\tif (!chunk_rest_bury(", "\tevents = 0;\n\tif (0 && !chunk_rest_bury("),
    ], [FAULTS + "test_blocked_for_good"]),
    ("retry_max_times is for ever", "server/retry.c", [
        ("(double)failures > (double)l->max_times * part", "(double)failures > (double)l->max_times * 1e9 * part"),
    ], ["unit:server/outputs"]),
    ("a secondary is used too late", "server/retry.c", [
        ("has_secondary ? l->secondary_threshold : 1", "has_secondary ? 1 : 1"),
    ], ["unit:server/outputs"]),
    ("Retry-After is not heard", "server/elasticsearch_post.c", [
        ("\tt->report->retry_after_ns = r->retry_after_ns;\n", ""),
    ], [FAULTS + "test_retry_after"]),
    ("no wait between tries", "server/gate.c", [
        ("\tg->next_try_ns = clock_mono_ns() + wait;\n", "\tg->next_try_ns = clock_mono_ns();\n"),
    ], [FAULTS + "test_somebody_must_mend_it[401]"]),
    ("a hold is not slower than an outage", "server/gate.c", [
        ("\tif (result == FLUSH_HOLD && wait < retry_hold(g->waits))\n", "\tif (0)\n"),
    ], [FAULTS + "test_somebody_must_mend_it[403]"]),
    ("429s change nothing", "lib/elastic/bulk_pace.c", [
        ("\t\t\tp->limit /= 2;\n", ""),
    ], ["unit:elastic/bulk_pace", FAULTS + "test_fewer_requests_while_busy"]),
    ("the pace never comes back", "lib/elastic/bulk_pace.c", [
        ("\t\tp->limit++;\n", ""),
    ], ["unit:elastic/bulk_pace"]),
    ("a 413 is forgotten at once", "server/elasticsearch_post.c", [
        ("clock_mono_ns() + SMALL_FOR_NS", "clock_mono_ns()"),
    ], [FAULTS + "test_requests_stay_smaller"]),
    ("two events with one id", "lib/elastic/doc_id.c", [
        ("f->first + index", "f->first + index / 2"),
    ], ["unit:elastic/doc_id", FAULTS + "test_no_fault"]),
    ("an id that differs with each try", "lib/elastic/doc_id.c", [
        ("\tmemcpy(out + 8, f->key, sizeof f->key);\n",
         "\tstatic unsigned tries;\n\tmemcpy(out + 8, f->key, sizeof f->key);\n\ttries++;\n\tmemcpy(out + 8, &(uint32_t){0x41414141u + tries % 26}, 4);\n"),
    ], ["unit:elastic/doc_id", FAULTS + "test_reply_unreadable[lost]"]),
    ("a dead host is asked again and again", "lib/elastic/bulk_hosts.c", [
        ("\t\tt->retry_at = now + t->rest;\n", "\t\tt->retry_at = now;\n"),
    ], ["unit:elastic/bulk_client"]),
    ("a dead host stays dead", "lib/elastic/bulk_hosts.c", [
        ("return !t->probing && t->retry_at <= now ? BULK_PICK_PROBE", "return t->probing && t->retry_at <= now ? BULK_PICK_PROBE"),
    ], ["unit:elastic/bulk_client", FAULTS + "test_one_host_of_three_dead_and_back"]),
    ("a second signal changes nothing", "server/server.c", [
        ("leaving at once; what is not delivered stays on disk\");\n\t\ts->phase = PHASE_END;\n\t\tevent_base_loopbreak(s->base);",
         "leaving at once; what is not delivered stays on disk\");"),
    ], ["test_end.py::test_end_of_patience[True]"]),
    ("the end does not wait for the buffers", "server/server_end.c", [
        ("\tif (clock_mono_ns() >= s->phase_until_ns)\n\t\treturn true;", "\tif (clock_mono_ns() >= 0)\n\t\treturn true;"),
    ], ["test_end.py::test_flushed_before_the_end"]),
    ("half a message is cut off by the end", "server/forward_session.c", [
        ("\t\t!forward_decoder_is_inside(s->decoder))\n\t\tconn_finish(s->conn, true);", "\t\ttrue)\n\t\tconn_finish(s->conn, true);"),
    ], ["test_end.py::test_half_a_message"]),
    ("a crash leaves no trace", "server/main.c", [
        ("\tcrash_guard_start();\n", ""),
    ], [FAULTS + "test_crash_loop"]),
    ("a name is looked up once a minute", "lib/elastic/bulk_client.c", [
        ("CURLOPT_DNS_CACHE_TIMEOUT, 0L", "CURLOPT_DNS_CACHE_TIMEOUT, 60L"),
    ], ["test_names.py::test_address_changes"]),
    ("a connection in use lives for ever", "lib/elastic/bulk_client.c", [
        ("CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S", "CURLOPT_MAXLIFETIME_CONN, 0L"),
    ], ["test_names.py::test_old_address_still_answers"]),
    ("sender: an old connection does not wait for it", "server/conn.c", [
        ("\telse if (!c->patient)\n", "\telse\n"),
    ], ["test_connections.py::test_sender_that_never_looks[TLSv1_3]"]),
    ("sender: cut off within a message", "server/forward_session.c", [
        ("conn_is_ending(s->conn) || forward_decoder_is_inside(s->decoder))\n\t\treturn;", "conn_is_ending(s->conn))\n\t\treturn;"),
        ("return !conn_has_input(s->conn) && clock_mono_ns()", "return clock_mono_ns()"),
    ], ["test_connections.py::test_half_a_message"]),
    ("sender: any tag is taken", "server/forward_rules.c", [
        ("return !tags || tag_match(tags, tag);", "return tags || !tag_match(tags, tag);"),
    ], ["test_limits.py::test_tags_by_network"]),
    ("sender: a wait for its limit is its silence", "server/conn.c", [
        ("now < c->deadline_ns || waits)", "now < c->deadline_ns || (waits && !c->group))"),
    ], ["test_limits.py::test_bytes_per_second"]),
    ("sender: a new connection is a new account", "server/clients.c", [
        ("if (--c->connections == 0 && !client_wait(c, clock_mono_ns())) {", "if (--c->connections == 0) {"),
    ], ["unit:server/clients"]),
]
