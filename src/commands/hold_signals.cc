#include "commands/hold_signals.h"

namespace tenon::commands {
namespace {

volatile sig_atomic_t received = 0;

}  // namespace

HoldSignals::HoldSignals() {
  received = 0;
  struct sigaction hold = {};
  hold.sa_handler = [](int signal) { received = signal; };
  hold.sa_flags = SA_RESTART;
  sigaction(SIGINT, &hold, &interrupt_);
  sigaction(SIGTERM, &hold, &terminate_);
}

HoldSignals::~HoldSignals() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGTERM, &terminate_, nullptr);
  if (received != 0) raise(received);
}

}  // namespace tenon::commands
