// Another engine on the same model, in a process of its own: the Python package's tenon.peer, which
// has the protocol.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "measure/memory.h"

namespace tenon::measure {

class Peer {
 public:
  /// Starts `python3 -m tenon.peer` and waits until it has loaded the model and run it once, on the
  /// arrays of an .npz file under the inputs' names. kUnsupported says what is missing.
  static Result<Peer> start(const std::string& engine, const std::filesystem::path& model,
                            const std::filesystem::path& inputs, uint32_t threads);

  const std::string& version() const { return version_; }
  double load_seconds() const { return load_seconds_; }
  double first_call_seconds() const { return first_call_seconds_; }

  /// Seconds of each of so many calls.
  Result<std::vector<double>> calls(size_t count);
  /// Ends the process, which tells its memory.
  Result<ProcessMemory> finish();

 private:
  class Process;

  std::string engine_, version_;
  double load_seconds_ = 0, first_call_seconds_ = 0;
  std::shared_ptr<Process> process_;
};

}  // namespace tenon::measure
