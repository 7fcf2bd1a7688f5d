"""Mutants of the buffer, for mutants.py: each leaves out or turns round one thing that the promises in buffer.h rest on; one of TESTS has to fail
on it."""

TESTS = ["blame", "power_cut", "fault", "crash_point", "damage", "folder", "buffer", "chunk_format", "buffer_folder", "ledger"]

# name, file in lib/buffer, [(text, what stands there instead)]
MUTANTS = [
    ('books: a commit whose chunk is back counts', 'ledger.c', [
        ('\t\tif (!is_back)\n'
            '\t\t\tadd(', '\t\tadd('),
    ]),
    ('books: written after the file is gone', 'taker.c', [
        ('\tledger_commit(b, c, LEDGER_DELIVERED);\n'
            '\tint code = put_away(b, c);\n',
            '\tint code = put_away(b, c);\n'
            '\tledger_commit(b, c, LEDGER_DELIVERED);\n'),
    ]),
    ('books: never begun anew', 'ledger.c', [
        ('\tbool is_long = l->slots > SLOTS_MAX;', '\tbool is_long = l->slots > SLOTS_MAX * 100;'),
    ]),
    ('books: what is missing is delivered', 'ledger.c', [
        ('\telse if (rest == LEDGER_DELIVERED && !c->has_outcome)', '\telse if (rest == LEDGER_DELIVERED)'),
    ]),
    ('books: not synced', 'ledger.c', [
        ('\tint code = file_io_sync(b->vfs, l->fd);\n'
            '\tif (code)\n'
            '\t\ttell(b, "the buffer\'s books cannot be synced', '\tint code = 0;\n'
            '\tif (code)\n'
            '\t\ttell(b, "the buffer\'s books cannot be synced'),
    ]),
    ('a missing file is tried for ever', 'chunk_reader.c', [
        ('\t\tc->is_missing = errno == ENOENT;\n', ''),
    ]),
    ('looking at a folder mends it', 'damage.c', [
        ('\tif (b->look_only) {', '\tif (b->look_only && !c) {'),
    ]),
    ('repair leaves finished chunks alone', 'recover.c', [
        ('c->is_sealed && !b->mend ? CHUNK_READY', 'c->is_sealed ? CHUNK_READY'),
    ]),
    ('ack before sync', 'group.c', [
        ('\tint code = chunk_file_append(f, frames);\n',
            '\tif (!was_new)\n'
            '\t\t(void)sync_file(b, f);\n'
            '\tint code = chunk_file_append(f, frames);\n'),
        ('\tcode = sync_file(b, f);\n',
            '\tcode = was_new ? sync_file(b, f) : 0;\n'
            '\tf->durable = f->end;\n'),
    ]),
    ('no fdatasync of groups', 'chunk_file.c', [
        ('\tint code = file_io_sync(f->vfs, f->fd);\n',
            '\tint code = f->is_new ? file_io_sync(f->vfs, f->fd) : 0;\n'),
    ]),
    ('no fdatasync of new files', 'chunk_file.c', [
        ('\tint code = file_io_sync(f->vfs, f->fd);\n',
            '\tint code = f->is_new ? 0 : file_io_sync(f->vfs, f->fd);\n'),
    ]),
    ('no sync_dir', 'chunk_file.c', [
        ('\t\trc = f->vfs->sync_dir(f->vfs->ctx, f->folder);\n',
            '\t\trc = 0 * f->fd;\n'),
    ]),
    ('no sync_dir at start', 'buffer.c', [
        ('\tif (v->sync_dir(v->ctx, b->path))\n'
            '\t\treturn err_sys(err, errno, "cannot sync the buffer folder',
            '\tif (0)\n'
            '\t\treturn err_sys(err, errno, "cannot sync the buffer folder'),
    ]),
    ('parents of the folder not synced', 'buffer.c', [
        ('\tint synced = v->sync_dir(v->ctx, above) ? errno : 0;',
            '\tint synced = 0;\n'
            '\t(void)above;'),
    ]),
    ('rename before fdatasync', 'group.c', [
        ('\tcode = sync_file(b, f);\n'
            '\tif (!code && was_new) {\n'
            '\t\tcode = chunk_file_rename(f);\n'
            '\t\tis_sync = code == 0;\n'
            '\t\tif (!code)\n'
            '\t\t\tcode = chunk_file_sync_name(f);\n'
            '\t}\n',
            '\tif (was_new) {\n'
            '\t\tcode = chunk_file_rename(f);\n'
            '\t\tif (!code)\n'
            '\t\t\tcode = chunk_file_sync_name(f);\n'
            '\t}\n'
            '\tif (!code)\n'
            '\t\tcode = sync_file(b, f);\n'),
    ]),
    ('retry fsync after failure', 'file_io.c', [
        ('\twhile (rc && errno == EINTR);\n'
            '\treturn rc ? errno : 0;\n',
            '\twhile (rc && errno == EINTR);\n'
            '\tif (rc)\n'
            '\t\trc = vfs->fdatasync(vfs->ctx, fd);\n'
            '\treturn rc ? errno : 0;\n'),
    ]),
    ('go on with a file whose sync failed', 'group.c', [
        ('\tif (was_new)\n'
            '\t\tstage_abandon(b, s);\n'
            '\telse\n'
            '\t\tstage_retire(b, s);\n'
            '\tif (is_sync)',
            '\tif (was_new)\n'
            '\t\tstage_abandon(b, s);\n'
            '\tif (is_sync)'),
    ]),
    ('truncate at the first bad frame', 'lost_tail.c', [
        ('\t\t\tnote_hole(t, &item);\n'
            '\t\t\tbreak;\n',
            '\t\t\tnote_hole(t, &item);\n'
            '\t\t\treturn 0;\n'),
    ]),
    ('reader stops at the first bad frame', 'chunk_reader.c', [
        ('\t\t\ton_hole(r, &item);\n'
            '\t\t\tbreak;\n',
            '\t\t\ton_hole(r, &item);\n'
            '\t\t\treturn CHUNK_END;\n'),
    ]),
    ('no salt', 'chunk_format.c', [
        ('\treturn (struct chunk_salt){\n'
            '\t\t.place = le64_get(id),\n'
            '\t\t.head_crc = crc32c(0, id, CHUNK_ID_LEN),\n'
            '\t\t.payload_crc = le32_get(id + 12),\n'
            '\t};',
            '\tstatic const uint8_t none[16];\n'
            '\t(void)id;\n'
            '\treturn (struct chunk_salt){.head_crc = crc32c(0, none, 16)};'),
    ]),
    ('no payload crc', 'chunk_walk.c', [
        ('\tl->valid = crc32c(0, held(w, at) + FRAME_HEAD_LEN, l->head.length) == l->head.payload_crc;',
            '\tl->valid = true;'),
    ]),
    ('no head crc', 'chunk_format.c', [
        ('\tif (crc32c(salt->head_crc, in + 4, FRAME_HEAD_LEN - 4) != le32_get(in))\n'
            '\t\treturn false;\n',
            ''),
    ]),
    ('no place', 'chunk_format.c', [
        ('\tif ((le64_get(in + 56) ^ salt->place) != at)\n'
            '\t\treturn false;\n',
            '\t(void)at;\n'),
        ('\tif (flags > 1 || h->synced > at ||',
            '\tif (flags > 1 || (h->synced > at && 0) ||'),
    ]),
    ('readers see what is not durable (retired chunk)', 'stage.c', [
        ('\tenqueue(b, s, false, s->chunk->size, s->file.durable);',
            '\tenqueue(b, s, false, s->chunk->size, s->file.end);'),
    ]),
    ('start-up trusts the page cache', 'lost_tail.c', [
        ('\tv->drop_cache(v->ctx, t->file.fd);\n',
            ''),
    ]),
    ('start-up does not sync what it reads', 'lost_tail.c', [
        ('\tif (file_io_sync(v, t->file.fd) == 0)\n'
            '\t\tcrash_point(CRASH_RECOVER_SYNCED);\n',
            ''),
    ]),
    ('progress unlinked before the chunk', 'taker.c', [
        ('\tchar *path = buffer_path(b, c->name, ".chunk");\n'
            '\tint code',
            '\tchar *path = buffer_path(b, c->name, ".progress");\n'
            '\t(void)b->vfs->unlink(b->vfs->ctx, path);\n'
            '\tmem_free(path);\n'
            '\tpath = buffer_path(b, c->name, ".chunk");\n'
            '\tint code'),
    ]),
    ('unlink when a chunk is taken', 'taker.c', [
        ('\t\t\tqueue_set_state(&b->queue, c, CHUNK_TAKEN);\n',
            '\t\t\tqueue_set_state(&b->queue, c, CHUNK_TAKEN);\n'
            '\t\t\tchar *pp = buffer_path(b, c->name, ".chunk");\n'
            '\t\t\tb->vfs->unlink(b->vfs->ctx, pp);\n'
            '\t\t\tmem_free(pp);\n'),
    ]),
    ('no roll back', 'group.c', [
        ('\telse if (chunk_file_roll_back(&s->file))\n',
            '\telse if (0)\n'),
    ]),
    ('no cut of the torn end', 'lost_tail.c', [
        ('\tif (chunk_file_roll_back(f))\n'
            '\t\treturn false;\n',
            ''),
    ]),
    ('progress not synced', 'progress.c', [
        ('\t\tcode = file_io_sync(v, fd);\n',
            '\t\tcode = 0;\n'),
    ]),
    ('progress without sync of the folder', 'progress.c', [
        ('\tif (!code && sync && b->vfs->sync_dir(b->vfs->ctx, b->path))',
            '\tif (!code && sync && 0)'),
    ]),
    ('commits never synced', 'writer.c', [
        ('\tif (b->vfs->sync_dir(b->vfs->ctx, b->path))\n'
            '\t\tlog_warn',
            '\tif (0)\n'
            '\t\tlog_warn'),
    ]),
    ('a .new counts as a chunk', 'folder_list.c', [
        ('\telse if (chunk_file_name_is(file, ".new", name))\n'
            '\t\tnames_add(&f->created, name);',
            '\telse if (chunk_file_name_is(file, ".new", name))\n'
            '\t\t;'),
    ]),
    ('groups not padded', 'chunk_file.c', [
        ('\t\t.last = fr->stage_next == NULL,',
            '\t\t.last = false,'),
        ('\tif (!code && p.end % CHUNK_BLOCK)',
            '\tif (!code && p.end % CHUNK_BLOCK && 0)'),
    ]),
    ('acks out of order', 'group.c', [
        ('\tfor (; *end && (*end)->error != EINPROGRESS; end = &(*end)->next) {',
            '\tfor (; *end && (*end)->error != EINPROGRESS; end = &(*end)->next) {'),
        ('\tif (end == &w->group)\n'
            '\t\treturn;',
            '\tif (end == &w->group) {\n'
            '\t\tif (w->group && w->group->next && w->group->next->error == 0) {\n'
            '\t\t\tstruct frame *x = w->group->next;\n'
            '\t\t\tw->group->next = x->next;\n'
            '\t\t\tx->next = w->group;\n'
            '\t\t\tw->group = x;\n'
            '\t\t\treport(b);\n'
            '\t\t}\n'
            '\t\treturn;\n'
            '\t}'),
    ]),
    ('holes of a recovered chunk not in its seal', 'lost_tail.c', [
        ('\tstruct chunk_seal seal = {.hole_count = t->c->hole_count, .more_holes = t->c->more_holes};',
            '\tstruct chunk_seal seal = {.hole_count = 0};'),
    ]),
    ('a recovered seal calls everything durable', 'lost_tail.c', [
        ('\tf->durable = t->walk.known < end ? t->walk.known : end;',
            '\tf->durable = end;'),
    ]),
    ('ENOSPC fails the frames', 'group.c', [
        ('\t\tif (last_try)\n',
            '\t\tif (last_try || s->work)\n'),
    ]),
    ('damage not copied', 'damage.c', [
        ('\tint code = backup_range(b, c->name, fd, hole->from, hole->to);',
            '\tint code = 0;\n'
            '\t(void)fd;'),
    ]),
    ('no EINTR loop in sync', 'file_io.c', [
        ('\twhile (rc && errno == EINTR);\n'
            '\treturn rc ? errno : 0;\n'
            '}',
            '\twhile (0);\n'
            '\treturn rc ? errno : 0;\n'
            '}'),
    ]),
    ('short write taken for whole', 'file_io.c', [
        ('\t\t\tv->iov_base = (uint8_t *)v->iov_base + left;\n'
            '\t\t\tv->iov_len -= left;',
            '\t\t\treturn 0;'),
    ]),
    ('crash: not noted', 'blame.c', [
        ('\tssize_t written = write(fd, entry, sizeof entry);', '\tssize_t written = 0;'),
    ]),
    ('crash: the first one sets a frame aside', 'blame.c', [
        ('\tLIMIT = 3,', '\tLIMIT = 1,'),
    ]),
    ('crash: its frame is delivered for ever', 'chunk_reader.c', [
        ('blame_is_over(r->c, item.at)', 'blame_is_over(r->c, 0)'),
    ]),
    ('crash: a frame is blamed for what comes after it', 'chunk_reader.c', [
        ('\t(void)r;\n\tblame_nobody();', '\t(void)r;'),
    ]),
    ('crash: any file of that name is believed', 'blame.c', [
        ('le64_get(p + i + 8) != (at ^ salt) || ', 'salt == 1 || '),
    ]),
]
