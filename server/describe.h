/* describe.h: what `weir plugins`, `weir help PLUGIN` and `weir reference` print, from the plugins' tables. Each returns an exit status. */
#ifndef WEIR_DESCRIBE_H
#define WEIR_DESCRIBE_H

int describe_plugins(void);
/* NULL: the command line's help. Several plugins of that name (forward input and output) are all told. */
int describe_plugin(const char *name);
/* The whole reference as Markdown. */
int describe_reference(void);

#endif
