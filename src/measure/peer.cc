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

namespace tenon::measure {

namespace fs = std::filesystem;
using nlohmann::json;

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

  bool write(const std::string& line) {
    return send(socket_, line.data(), line.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(line.size());
  }

  void end_input() { shutdown(socket_, SHUT_WR); }

  /// The next line as JSON; discarded when there is none.
  json read() {
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

 private:
  static std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (std::string& string : strings) list.push_back(string.data());
    list.push_back(nullptr);
    return list;
  }

  int socket_ = -1;
  pid_t child_ = 0;
  std::string buffer_;
};

namespace {

/// This process's, with the number of threads, and the build's own package where there is one.
std::vector<std::string> environment(uint32_t threads) {
  std::vector<std::string> list;
  std::string path;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with("PYTHONPATH=")) {
      path = text.substr(text.find('=') + 1);
    } else if (!text.starts_with("OMP_NUM_THREADS=")) {
      list.emplace_back(text);
    }
  }
  list.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  const fs::path package = program.parent_path().parent_path() / "python";
  if (fs::exists(package / "tenon" / "peer.py", failure))
    path = package.string() + (path.empty() ? "" : ":") + path;
  if (!path.empty()) list.push_back("PYTHONPATH=" + path);
  return list;
}

std::unexpected<Error> gone(const std::string& engine) {
  return fail(ErrorKind::kUnsupported, fmt::format("{}: its process ended", engine), {},
              "python3 must have the package tenon: 'python3 -m tenon.peer'");
}

}  // namespace

Result<Peer> Peer::start(const std::string& engine, const fs::path& model, const fs::path& inputs,
                         uint32_t threads) {
  Peer peer;
  peer.engine_ = engine;
  peer.process_ = std::make_shared<Process>();
  if (!peer.process_->start({"python3", "-m", "tenon.peer", engine, model.string(), inputs.string(),
                             std::to_string(threads)},
                            environment(threads))) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{}: cannot start python3: {}", engine, std::strerror(errno)));
  }
  const json ready = peer.process_->read();
  if (!ready.is_object()) return gone(engine);
  if (ready.contains("missing")) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("{}: {}", engine, ready["missing"].get<std::string>()));
  }
  peer.version_ = ready.value("version", "");
  peer.load_seconds_ = ready.value("load_seconds", 0.0);
  peer.first_call_seconds_ = ready.value("first_call_seconds", 0.0);
  return peer;
}

Result<std::vector<double>> Peer::calls(size_t count) {
  if (!process_->write(std::to_string(count) + "\n")) return gone(engine_);
  const json answer = process_->read();
  if (!answer.is_object() || !answer.contains("seconds")) return gone(engine_);
  return answer["seconds"].get<std::vector<double>>();
}

Result<ProcessMemory> Peer::finish() {
  process_->end_input();
  const json answer = process_->read();
  if (!answer.is_object()) return gone(engine_);
  ProcessMemory memory;
  memory.resident = answer.value("resident", uint64_t{0});
  memory.peak = answer.value("peak", uint64_t{0});
  return memory;
}

}  // namespace tenon::measure
