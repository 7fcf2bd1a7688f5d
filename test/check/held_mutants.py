"""Mutants of what is known again (repeats.h) and of what waits for others (holder.h, held.h), for mutants.py."""

HELD = ["unit:server/filter_concat", "test_held.py"]
REPEATS = ["unit:server/repeats", "test_repeats.py"]

# name, file, [(text, what stands there instead)], tests
MUTANTS = [
    ("held: the ack does not wait for the journal", "server/holder.c", [
        ("held_append(h->journal, &f, ingest_txn(t->in))", "held_append(h->journal, &f, NULL)")], HELD),
    ("held: the journal is told before what left is durable", "server/holder.c", [
        ("\tif (t->groups)\n\t\treturn true;\n", "")], HELD),
    ("held: what left is never told", "server/holder.c", [
        ("\t\t\tif (e->journaled)\n\t\t\t\theld_put_left(&entries,", "\t\t\tif (!e)\n\t\t\t\theld_put_left(&entries,")], HELD),
    ("held: a repetition comes on top of its first copy", "server/holder.c", [
        ("\tforget_first_copy(h, b);", "\tif (!b->count)\n\t\tforget_first_copy(h, b);")], HELD),
    ("held: what failed does not come back", "server/holder.c", [
        ("\tif (s)\n\t\theld_stream_put_back(h, s, g);", "\tif (!s)\n\t\theld_stream_put_back(h, s, g);")], HELD),
    ("held: a complete message is not known after a restart", "server/holder.c", [
        (".complete = gone && last && t->repeats ?", ".complete = !gone && last && t->repeats ?")], HELD),
    ("held: tidying up forgets what waits", "server/held_tidy.c", [
        ("\t\tif (!is_held(h, view->id, v->key, w.index))", "\t\tif (is_held(h, view->id, v->key, w.index))")], HELD),
    ("held: what waits at a reload stays where nobody looks", "server/held.c", [
        ("\tadd_holders(&h->leaving, h->places, h->ours.n);\n", "")], HELD),
    ("held: streams without a bound", "server/holder.c", [
        ("|| map_count(h->streams) >= HOLDER_STREAMS)", "|| !h->streams)")], HELD),
    ("repeats: a repetition is acknowledged before the first copy is durable", "server/repeats.c", [
        ("\t\ttxn_hold(t);\n\t\tt->next_waiting = first->waiting;\n\t\tfirst->waiting = t;\n", "")], REPEATS),
    ("repeats: what failed is known", "server/repeats.c", [
        ("\tif (!error)\n\t\tremember(r, key);", "\tremember(r, key);")], REPEATS),
    ("repeats: nothing is known", "server/repeats.c", [
        ("\tif (is_known(r, key))\n\t\treturn REPEAT_DURABLE;", "")], REPEATS),
    ("repeats: what a crash left is not known", "server/flow.c", [
        ("\t\t.on_recovered = ingest_on_recovered,\n", "")], REPEATS),
    ("repeats: what one buffer has, all have", "server/repeats.c", [
        ("\tmemcpy(both, &b, sizeof b);", "\tmemset(both, 0, sizeof b);\n\t(void)b;")], REPEATS),
]
