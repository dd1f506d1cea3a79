#include "cffmpeg.h"
