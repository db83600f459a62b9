/* work.c - a queue towards a thread that has no loop. */
#include "work.h"

int work_queue_init(struct work_queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
    q->closed = false;
    int r = uv_mutex_init(&q->lock);
    if (r < 0)
        return r;
    r = uv_cond_init(&q->filled);
    if (r < 0)
        uv_mutex_destroy(&q->lock);
    return r;
}

void work_queue_fini(struct work_queue *q)
{
    ASSERT(q->head == NULL);
    uv_cond_destroy(&q->filled);
    uv_mutex_destroy(&q->lock);
}

void work_put_all(struct work_queue *q, struct work *first, struct work *last)
{
    last->next = NULL;
    uv_mutex_lock(&q->lock);
    ASSERT(!q->closed);
    *q->tail = first;
    q->tail = &last->next;
    uv_cond_signal(&q->filled);
    uv_mutex_unlock(&q->lock);
}

void work_put(struct work_queue *q, struct work *w)
{
    work_put_all(q, w, w);
}

void work_close(struct work_queue *q)
{
    uv_mutex_lock(&q->lock);
    q->closed = true;
    uv_cond_signal(&q->filled);
    uv_mutex_unlock(&q->lock);
}

struct work *work_take(struct work_queue *q, uint64_t timeout_ms, bool *ret_closed)
{
    uint64_t end = timeout_ms == UINT64_MAX ? UINT64_MAX : uv_hrtime() + timeout_ms * 1000000;
    uv_mutex_lock(&q->lock);
    while (q->head == NULL && !q->closed) {
        uint64_t now = uv_hrtime();
        if (end == UINT64_MAX)
            uv_cond_wait(&q->filled, &q->lock);
        else if (now >= end || uv_cond_timedwait(&q->filled, &q->lock, end - now) == UV_ETIMEDOUT)
            break;
    }
    struct work *all = q->head;
    q->head = NULL;
    q->tail = &q->head;
    *ret_closed = q->closed && all == NULL;
    uv_mutex_unlock(&q->lock);
    return all;
}
