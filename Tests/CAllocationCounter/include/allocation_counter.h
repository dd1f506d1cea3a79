// Counts the calls to malloc, calloc, realloc and their kin made by one thread. For tests: linking it replaces the
// allocator's entry points of the whole program by ones that count and pass on.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

// Begins counting this thread's allocations, from zero.
void allocation_counter_begin(void);

// Ends counting and gives how many there were.
long allocation_counter_end(void);

#endif
