#include "measure/peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "measure/python.h"

namespace tenon::measure {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::unexpected<Error> gone(const std::string& engine) {
  return fail(ErrorKind::kUnsupported, fmt::format("{}: its process ended", engine), {},
              "python3 must have the package tenon: 'python3 -m tenon.peer'");
}

}  // namespace

/// A child whose standard input and output are one socket. It ends when this goes.
class Peer::Process {
 public:
  Process() = default;
  Process(const Process&) = delete;
  ~Process() {
    if (socket_ >= 0) close(socket_);
    if (child_ <= 0) return;
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }

  bool start(std::vector<std::string> arguments, std::vector<std::string> environment) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    socket_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&child_, arguments[0].c_str(), &actions, nullptr,
                                    pointers(arguments).data(), pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed != 0) child_ = 0;
    return failed == 0;
  }

  Result<json> ask(const std::string& engine, const std::string& request) {
    const std::string line = request + "\n";
    if (send(socket_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      return gone(engine);
    return read(engine);
  }

  /// The next answer; what is missing or went wrong is kUnsupported.
  Result<json> read(const std::string& engine) {
    json answer = read_line();
    if (!answer.is_object()) return gone(engine);
    for (const char* problem : {"missing", "error"}) {
      if (answer.contains(problem)) {
        return fail(ErrorKind::kUnsupported,
                    fmt::format("{}: {}", engine, answer.value(problem, "")));
      }
    }
    return answer;
  }

 private:
  /// The next line as JSON; discarded when there is none.
  json read_line() {
    while (buffer_.find('\n') == std::string::npos) {
      char part[4096];
      const ssize_t bytes = recv(socket_, part, sizeof(part), 0);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes <= 0) return json(json::value_t::discarded);
      buffer_.append(part, static_cast<size_t>(bytes));
    }
    const size_t end = buffer_.find('\n');
    json line = json::parse(buffer_.substr(0, end), nullptr, false);
    buffer_.erase(0, end + 1);
    return line;
  }

  int socket_ = -1;
  pid_t child_ = 0;
  std::string buffer_;
};

Result<Peer> Peer::start(const std::string& engine, const fs::path& model, const fs::path& inputs,
                         uint32_t threads) {
  Peer peer;
  peer.engine_ = engine;
  peer.process_ = std::make_shared<Process>();
  const json options = {{"threads", threads}, {"trust_pickle", true}};
  if (!peer.process_->start({"python3", "-m", "tenon.peer", engine, model.string(), options.dump()},
                            python_environment({fmt::format("OMP_NUM_THREADS={}", threads)}))) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{}: cannot start python3: {}", engine, std::strerror(errno)));
  }
  TENON_TRY(const json ready, peer.process_->read(engine));
  TENON_TRY(const json bound, peer.process_->ask(engine, "bind " + inputs.string()));
  peer.version_ = ready.value("version", "");
  peer.load_seconds_ = ready.value("load_seconds", 0.0);
  peer.first_call_seconds_ = bound.value("first_call_seconds", 0.0);
  return peer;
}

Result<std::vector<double>> Peer::calls(size_t count) {
  TENON_TRY(const json answer, process_->ask(engine_, fmt::format("calls {}", count)));
  return answer.value("seconds", std::vector<double>());
}

Result<ProcessMemory> Peer::finish() {
  TENON_TRY(const json answer, process_->ask(engine_, "memory"));
  ProcessMemory memory;
  memory.resident = answer.value("resident", uint64_t{0});
  memory.peak = answer.value("peak", uint64_t{0});
  return memory;
}

}  // namespace tenon::measure
