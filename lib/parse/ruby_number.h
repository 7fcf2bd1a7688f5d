/* ruby_number.h: text to numbers as Ruby's String#to_i and #to_f take it: what stands at the beginning counts, nothing there is 0. Any thread. */
#ifndef WEIR_PARSE_RUBY_NUMBER_H
#define WEIR_PARSE_RUBY_NUMBER_H

#include "base/span.h"

struct ruby_int {
	bool negative;
	bool too_large;	    /* beyond 64 bits */
	uint64_t magnitude; /* without its sign */
};

struct ruby_int ruby_to_i(struct span s);
double ruby_to_f(struct span s);

/* Whether Kernel#Float takes it: a whole number or fraction, with blanks around it at most. */
bool ruby_is_number(struct span s);

#endif
