/* media_type.h - which media types are images, for adapters of registries that tell them. (pure)
 * Any thread. */
#ifndef SOURCE_MEDIA_TYPE_H
#define SOURCE_MEDIA_TYPE_H

#include <stdbool.h>

/* Of a manifest or an index; anything else (layers, configurations) is a blob. */
bool media_type_is_manifest(const char *media_type);
/* Of an image's configuration; with another one a manifest is a chart, a signature, a module. */
bool media_type_is_image_config(const char *media_type);

#endif
