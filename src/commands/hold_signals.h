// Interrupts that wait for the end of a file's writing.
#pragma once

#include <signal.h>

namespace tenon::commands {

/// While one lives, SIGINT and SIGTERM are remembered; the destructor delivers them. So a file is
/// either whole or absent, and no temporary one stays. One at a time.
class HoldSignals {
 public:
  HoldSignals();
  ~HoldSignals();
  HoldSignals(const HoldSignals&) = delete;

 private:
  struct sigaction interrupt_, terminate_;
};

}  // namespace tenon::commands
