// SPDX-License-Identifier: Apache-2.0
// For the fuzzers of the Hub's client: a proxy on the loopback device that answers any request, to
// whichever host, with the next part of the input. Nothing reaches the network.
#ifndef MM_TESTS_FUZZ_ANSWERS_H
#define MM_TESTS_FUZZ_ANSWERS_H

#include "frame.h"

// Each request gets the part up to the next FF 00 FF and then the end of the connection. `parts`
// must live until answers_end. The first call starts the proxy and sets the variables that make
// libcurl use it.
void answers_begin(frame_part parts);
void answers_end(void);

#endif
