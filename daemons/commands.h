/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_COMMANDS_H
#define SGH_DAEMONS_COMMANDS_H

/*
 * The commands of `sangraha`; argv[0] is the command's name. Each returns the exit code of
 * the program (exit.h).
 */
int sgh_command_serve(int argc, char **argv);
int sgh_command_put(int argc, char **argv);
int sgh_command_get(int argc, char **argv);
int sgh_command_stat(int argc, char **argv);
int sgh_command_ls(int argc, char **argv);
int sgh_command_rm(int argc, char **argv);
int sgh_command_dlq(int argc, char **argv);
int sgh_command_reconcile(int argc, char **argv);

#endif
