// Istio Mixer's fluentd adapter, from 0.5 to 1.4, as a forward server sees it: fluent-logger-golang v1.3.0, Message mode, integer
// seconds, the option nil, no ack; entries gathered and written in one go. Variables as in Istio's own "logging with fluentd" task.
//
//	mixer HOST PORT TAG COUNT SEED
//
// Each record carries "seq" and "sender" (the tag) beside Mixer's variables, so that a test can account for it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// What Mixer's adapter gathers before it writes (max_batch_size_bytes is 8 MiB; a small one makes several writes of a short run).
const batchBytes = 256 << 10

var services = []string{"productpage", "details", "reviews", "ratings", "order", "payment"}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

// A small generator of numbers that repeat from the same seed.
type dice uint32

func (d *dice) below(n int) int {
	*d = *d*1664525 + 1013904223
	return int(uint32(*d)>>8) % n
}

func record(d *dice, tag string, seq int) map[string]interface{} {
	codes := []int64{200, 200, 200, 200, 201, 304, 404, 500, 503}
	r := map[string]interface{}{
		"seq":          int64(seq),
		"sender":       tag,
		"source":       services[d.below(len(services))],
		"destination":  services[d.below(len(services))],
		"user":         "unknown",
		"responseCode": codes[d.below(len(codes))],
		"responseSize": int64(d.below(20000)),
		"latency":      (time.Duration(d.below(50000000)) * time.Nanosecond).String(),
		"severity":     "info",
	}
	if d.below(3) == 0 {
		r["user"] = "jason"
	}
	return r
}

func main() {
	tag, count, d := os.Args[3], number(os.Args[4]), dice(number(os.Args[5]))
	logger, err := fluent.New(fluent.Config{FluentHost: os.Args[1], FluentPort: number(os.Args[2]), BufferLimit: 8 << 20})
	check(err)
	var batch []byte
	for seq := 0; seq < count; seq++ {
		encoded, err := logger.EncodeData(tag, time.Now(), record(&d, tag, seq))
		check(err)
		batch = append(batch, encoded...)
		if len(batch) > batchBytes || seq == count-1 {
			logger.PostRawData(batch)
			batch = batch[:0]
		}
	}
	check(logger.Close())
}
