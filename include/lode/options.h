/* What the recorder hands to the agent, through the environment; plain LD_PRELOAD users write the same words.
 *
 *   LODE_OUTPUT    path of the log.  An existing log is joined (a child of the recorded tree, or the log that
 *                  `lode record` made); otherwise the file is created.  %p: pid, %n: program name.
 *                  Default: NAME.PID.lode in the current directory.
 *   LODE_OPTIONS   words "name=value" separated by commas, from the table below.  Unknown words are ignored with
 *                  a notice in the recording.
 *
 * X(name, kind, default, text)   kind: NUMBER (decimal), or a choice listed in its enum below */
#ifndef LODE_OPTIONS_H
#define LODE_OPTIONS_H

#define LODE_ENV_OUTPUT "LODE_OUTPUT"
#define LODE_ENV_OPTIONS "LODE_OPTIONS"
#define LODE_ENV_STREAM "LODE_STREAM" /* set by the agent across exec: "pid:stream" of the image before */

#define LODE_OPTIONS_LIST(X)                                                                        \
	X(rate, NUMBER, 100, "CPU samples a second of each thread; 0: none")                        \
	X(memory, MEMORY, LODE_MEMORY_FULL, "full, malloc, sample or off")                          \
	X(sample, NUMBER, 524288, "memory=sample: mean bytes between samples")                      \
	X(native, NATIVE, LODE_NATIVE_FULL, "full, leaf or off")                                    \
	X(children, NUMBER, 1, "follow fork, exec and spawn")

enum lode_memory { LODE_MEMORY_OFF, LODE_MEMORY_FULL, LODE_MEMORY_MALLOC, LODE_MEMORY_SAMPLE };
enum lode_native { LODE_NATIVE_OFF, LODE_NATIVE_FULL, LODE_NATIVE_LEAF };

#define LODE_MEMORY_WORDS(X) X(OFF, "off") X(FULL, "full") X(MALLOC, "malloc") X(SAMPLE, "sample")
#define LODE_NATIVE_WORDS(X) X(OFF, "off") X(FULL, "full") X(LEAF, "leaf")

#endif
