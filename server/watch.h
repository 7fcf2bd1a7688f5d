/* watch.h: what is kept only for people who look: senders, samples of dead letters, taps. Owned by the server, reached through ingest's hub. */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

struct watch {
	struct senders *senders;
	struct dead_samples *dead_samples;
	struct taps *taps;
};

#endif
