/* h2_wall.h - what we count ourselves on an HTTP/2 connection, from the raw frames on. (pure)
 * nghttp2 has no callback for a frame that it skips, so the borders of frames are found here, and
 * whoever feeds it frame by frame sees which of them brought something. One thread. */
#ifndef GATEWAY_H2_WALL_H
#define GATEWAY_H2_WALL_H

#include "slice.h"

#define H2_PREFACE_BYTES     24 /* what a client says first (RFC 9113 section 3.4) */
#define H2_FRAME_HEAD        9
#define H2_MAX_FRAME         16384 /* payload; SETTINGS_MAX_FRAME_SIZE as everybody begins with */
#define H2_MAX_CONTINUATIONS 8     /* of one header block; 9 frames of 16 KB are plenty for 16 KB */
#define H2_STALL_BYTES       (1u << 14) /* so much progress in H2_STALL_MS is no stall */

/* Where the input stands. Zeroed at first. */
struct h2_wall {
    uint8_t head[H2_FRAME_HEAD];
    size_t have;      /* bytes of the preface, then of `head` */
    size_t len, left; /* of the frame's payload */
    bool greeted, in_block;
    unsigned continuations;
    /* Frames that brought nothing, in the running H2_IDLE_FRAMES_MS, and how many more the peer may
     * send for free because of what we did for it. */
    unsigned idle, owed;
    uint64_t idle_since_ms;
    uint64_t early_full_at_us; /* when all of H2_EARLY_BURST are back */
};

/* Cuts from the front of `in` (not empty) what is to be read next: a piece of the preface or of one
 * frame. A frame's head comes in one piece, with nothing before: nghttp2 1.52 takes each piece of a
 * CONTINUATION's head for one more frame. *ret_ended: a frame is whole with this. Valid until the
 * next call, empty while a head is not whole. */
struct slice h2_wall_next(struct h2_wall *w, struct slice *in, bool *ret_ended);
/* Inside a frame, or between those of one header block. */
bool h2_wall_is_half(const struct h2_wall *w);
/* The frame that has begun is longer than any that we allow. */
bool h2_wall_is_oversized(const struct h2_wall *w);
/* It was one CONTINUATION too many. */
bool h2_wall_is_flooded(const struct h2_wall *w);

/* The last frame brought nothing. False: too many have. */
bool h2_wall_idle(struct h2_wall *w, uint64_t now_ms);
/* The peer may answer what it was sent with `n` frames: windows opened, a ping that measures. */
void h2_wall_owe(struct h2_wall *w, unsigned n);
/* A stream ended before its answer had left. False: too many have. */
bool h2_wall_early(struct h2_wall *w, uint64_t now_ms);

/* Watches one window. Zeroed: nothing is wrong. */
struct h2_stall {
    bool running;
    uint64_t since_ms, sent;
};
/* True: for H2_STALL_MS a window was too small for the `pending` bytes (or for H2_STALL_BYTES of
 * them), and less than H2_STALL_BYTES left in that time; `sent` counts those up. */
bool h2_stall_look(struct h2_stall *s, size_t pending, size_t window, uint64_t sent,
                   uint64_t now_ms);

#endif
