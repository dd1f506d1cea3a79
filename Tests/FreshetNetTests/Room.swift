import FreshetCore
import Testing
