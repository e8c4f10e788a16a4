#include "commands/against.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "commands/hold_signals.h"
#include "commands/npz.h"
#include "commands/text.h"
#include "measure/peer.h"
#include "measure/statistics.h"
#include "measure/timing.h"

namespace tenon::commands {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr double kTurnSeconds = 0.1;
constexpr size_t kFewestRounds = 5;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Entrant {
  std::string engine;
  Result<measure::Peer> peer;  // or why it is missing
  std::vector<double> seconds;
  std::vector<double> ratios;  // one a round: its median over ours
};

/// A file of arrays that goes with this object. An interrupt waits for that.
class TemporaryArrays {
 public:
  explicit TemporaryArrays(const Model& model, std::span<const ops::Tensor> inputs) {
    std::string folder = std::filesystem::temp_directory_path() / "tenon-XXXXXX";
    if (mkdtemp(folder.data())) folder_ = folder;
    std::vector<std::pair<std::string, ops::Tensor>> named;
    for (size_t k = 0; k < inputs.size(); ++k)
      named.emplace_back(model.string(model.plan().inputs[k].name), inputs[k]);
    written_ = write_npz(file(), named);
  }
  TemporaryArrays(const TemporaryArrays&) = delete;
  ~TemporaryArrays() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path file() const { return folder_ / "inputs.npz"; }
  const Result<void>& written() const { return written_; }

 private:
  HoldSignals hold_;
  std::filesystem::path folder_;
  Result<void> written_;
};

Result<std::vector<Entrant>> start(const Contest& contest, const Model& model,
                                   std::span<const ops::Tensor> inputs) {
  const TemporaryArrays arrays(model, inputs);
  TENON_TRY_DO(arrays.written());
  std::vector<Entrant> entrants;
  for (const std::string& engine : contest.engines) {
    entrants.push_back(
        {engine, measure::Peer::start(engine, contest.onnx, arrays.file(), model.threads())});
  }
  return entrants;
}

/// Calls for about a turn of engines that need so long for one.
size_t turn_calls(double seconds) {
  return static_cast<size_t>(std::clamp(kTurnSeconds / std::max(seconds, 1e-9), 1.0, 2000.0));
}

Result<double> our_turn(const std::function<Result<void>()>& call, double& once) {
  std::vector<double> seconds;
  for (size_t i = turn_calls(once); i > 0; --i) {
    const Clock::time_point begin = Clock::now();
    TENON_TRY_DO(call());
    seconds.push_back(since(begin));
  }
  return once = measure::summarize(seconds).p50;
}

Result<double> turn_of(Entrant& entrant) {
  const double once =
      entrant.seconds.empty() ? entrant.peer->first_call_seconds() : entrant.seconds.back();
  TENON_TRY(const std::vector<double> seconds, entrant.peer->calls(turn_calls(once)));
  entrant.seconds.insert(entrant.seconds.end(), seconds.begin(), seconds.end());
  return measure::summarize(seconds).p50;
}

/// All in turn, then in reverse, so that a change of the machine's speed hits all alike.
Result<void> race(const Contest& contest, const std::function<Result<void>()>& call,
                  std::vector<Entrant>& entrants) {
  double once = kTurnSeconds;
  TENON_TRY_DO(our_turn(call, once));
  const Clock::time_point begin = Clock::now();
  const double limit = contest.seconds * static_cast<double>(entrants.size() + 1);
  for (size_t round = 0; round < kFewestRounds || since(begin) < limit; ++round) {
    std::vector<double> times(entrants.size());
    double ours = 0;
    for (size_t turn = 0; turn <= entrants.size(); ++turn) {
      const size_t k = round % 2 == 0 ? turn : entrants.size() - turn;
      if (k == entrants.size()) {
        TENON_TRY(ours, our_turn(call, once));
      } else if (entrants[k].peer) {
        Result<double> median = turn_of(entrants[k]);
        if (median) times[k] = *median;
        if (!median) entrants[k].peer = std::unexpected(std::move(median).error());
      }
      // Threads that spin for more work of one engine go to sleep before the next is timed.
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    for (size_t k = 0; k < entrants.size(); ++k) {
      if (entrants[k].peer) entrants[k].ratios.push_back(times[k] / ours);
    }
  }
  return {};
}

Json describe(Entrant& entrant, std::string& text) {
  const Result<measure::ProcessMemory> memory =
      entrant.peer ? entrant.peer->finish() : std::unexpected(entrant.peer.error());
  if (!memory) {
    const std::string why = memory.error().diagnostics.at(0).message;
    text += fmt::format("  {}\n", why);
    return {{"engine", entrant.engine}, {"missing", why}};
  }
  const measure::Summary latency = measure::summarize(entrant.seconds);
  std::ranges::sort(entrant.ratios);
  const double ratio = measure::quantile(entrant.ratios, 0.5);
  const double low = measure::quantile(entrant.ratios, 0.1);
  const double high = measure::quantile(entrant.ratios, 0.9);
  const std::string verdict = low > 1    ? fmt::format("tenon is {:.2f}x faster", ratio)
                              : high < 1 ? fmt::format("tenon is {:.2f}x slower", 1 / ratio)
                                         : "no difference";
  text += fmt::format(
      "  {}, {}: p50 {:.4f} ms; {} (its time over ours {:.3f}, from {:.3f} to {:.3f})\n    load "
      "{:.0f} ms, first call {:.1f} ms, process {}, {} at most\n",
      entrant.engine, entrant.peer->version(), 1e3 * latency.p50, verdict, ratio, low, high,
      1e3 * entrant.peer->load_seconds(), 1e3 * entrant.peer->first_call_seconds(),
      format_bytes(memory->resident), format_bytes(memory->peak));
  return {{"engine", entrant.engine},
          {"version", entrant.peer->version()},
          {"p50_seconds", latency.p50},
          {"min_seconds", latency.min},
          {"count", latency.count},
          {"ratio", ratio},
          {"ratio_p10", low},
          {"ratio_p90", high},
          {"verdict", verdict},
          {"load_seconds", entrant.peer->load_seconds()},
          {"first_call_seconds", entrant.peer->first_call_seconds()},
          {"resident", memory->resident},
          {"peak", memory->peak}};
}

}  // namespace

Result<void> run_contest(const Contest& contest, const Model& model,
                         std::span<const ops::Tensor> inputs,
                         const std::function<Result<void>()>& call, Report& report, Json& json) {
  TENON_TRY(std::vector<Entrant> entrants, start(contest, model, inputs));
  TENON_TRY_DO(race(contest, call, entrants));
  report.text += "against, in turn on the same inputs\n";
  json["against"] = Json::array();
  for (Entrant& entrant : entrants) json["against"].push_back(describe(entrant, report.text));
  return {};
}

}  // namespace tenon::commands
