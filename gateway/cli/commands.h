/* commands.h - every command, for the list in commands.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "command.h"

/* cmd_create.c, cmd_update.c */
extern const struct command CMD_TRIGGER_CREATE, CMD_TRIGGER_UPDATE, CMD_TRIGGER_UPDATE_REGISTRY;
/* cmd_trigger.c */
extern const struct command CMD_TRIGGER_GET, CMD_TRIGGER_LIST, CMD_TRIGGER_DELETE,
    CMD_TRIGGER_PAUSE, CMD_TRIGGER_RESUME, CMD_TRIGGER_OPERATIONS;
/* cmd_labels.c */
extern const struct command CMD_TRIGGER_ADD_LABELS, CMD_TRIGGER_REMOVE_LABELS;
/* cmd_socket.c */
extern const struct command CMD_SOCKET_GET, CMD_SOCKET_SEND, CMD_SOCKET_DISCONNECT;
/* cmd_iam.c */
extern const struct command CMD_IAM_TOKEN, CMD_IAM_API_KEY;
/* cmd_operation.c */
extern const struct command CMD_OPERATION_GET;
/* cmd_config.c */
extern const struct command CMD_CONFIG_SET, CMD_CONFIG_GET, CMD_CONFIG_UNSET, CMD_CONFIG_LIST,
    CMD_PROFILE_CREATE, CMD_PROFILE_ACTIVATE, CMD_PROFILE_LIST, CMD_PROFILE_GET, CMD_PROFILE_SET,
    CMD_PROFILE_DELETE;
/* cmd_listen.c, cmd_tail.c, cmd_events.c, cmd_status.c, cmd_explain.c */
extern const struct command CMD_LISTEN, CMD_TAIL, CMD_EVENTS_POST, CMD_STATUS, CMD_EXPLAIN;
/* cmd_nodes.c */
extern const struct command CMD_NODES;
/* cmd_registries.c */
extern const struct command CMD_REGISTRIES_LIST, CMD_REGISTRIES_TEST;
/* cmd_replay.c */
extern const struct command CMD_REPLAY;
/* cmd_reload.c */
extern const struct command CMD_RELOAD;
/* cmd_completion.c */
extern const struct command CMD_COMPLETION;

#endif
