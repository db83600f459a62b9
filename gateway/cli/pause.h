/* pause.h - waiting. One thread. */
#ifndef CLI_PAUSE_H
#define CLI_PAUSE_H

#include <stdint.h>

void pause_ms(uint64_t ms); /* whole, also over signals */

#endif
