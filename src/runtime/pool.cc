#include "runtime/pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <ctime>

namespace tenon::runtime {
namespace {

// Long enough to bridge the gap between two steps or two calls in a row, short enough not to be
// seen as load.
constexpr int64_t kSpinNanoseconds = 40'000;
// From then on a waiting thread offers its core to others at every look at the clock: one of them
// may be the thread it waits for.
constexpr int64_t kYieldNanoseconds = 4'000;
constexpr int kPausesBetweenLooks = 16;
// A caller that waits longer than its own tasks took, and this, waits for a thread that does not
// run. It then works alone for so many times as long.
constexpr int64_t kStallNanoseconds = 200'000;
constexpr int64_t kAloneFactor = 12;

/// Counts forks, in children; a pool of an older generation has lost its workers.
std::atomic<uint32_t> fork_generation = 0;
pthread_once_t fork_once = PTHREAD_ONCE_INIT;

// A child must not inherit a lock that a thread of its parent holds.
pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
ThreadPool* shared_pools = nullptr;

void prepare_for_forks() {
  pthread_atfork([] { pthread_mutex_lock(&shared_mutex); },
                 [] { pthread_mutex_unlock(&shared_mutex); },
                 [] {
                   fork_generation.fetch_add(1, std::memory_order_relaxed);
                   pthread_mutex_unlock(&shared_mutex);
                 });
}

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

/// Spins until `ready()` or until `limit` nanoseconds have gone (negative: never). Says which.
template <class Ready>
bool spin(Ready ready, int64_t limit) {
  int64_t start = -1;
  for (;;) {
    for (int i = 0; i < kPausesBetweenLooks; ++i) {
      if (ready()) return true;
      pause();
    }
    int64_t time = now();
    if (start < 0) start = time;
    if (limit >= 0 && time - start > limit) return ready();
    if (time - start > kYieldNanoseconds) sched_yield();
  }
}

constexpr uint64_t pack(uint32_t begin, uint32_t end) { return uint64_t{end} << 32 | begin; }

}  // namespace

ThreadPool* ThreadPool::create(uint32_t threads) {
  pthread_once(&fork_once, prepare_for_forks);
  auto* pool = new ThreadPool(std::max(threads, 1u));
  if (!pool) return nullptr;
  size_t bytes = sizeof(Share) * pool->threads_;
  auto* memory = static_cast<Share*>(std::aligned_alloc(alignof(Share), bytes));
  if (!memory) {
    delete pool;
    return nullptr;
  }
  for (uint32_t t = 0; t < pool->threads_; ++t) {
    Share* share = ::new (&memory[t]) Share;
    share->thread = t;
    share->pool = pool;
  }
  pool->shares_ = memory;
  pool->lock_ = fork_generation.load(std::memory_order_relaxed) * 2;
  return pool;
}

ThreadPool::~ThreadPool() {
  bool forked = lock_.load(std::memory_order_relaxed) / 2 != fork_generation;
  if (started_ && !forked) {
    stopping_.store(true, std::memory_order_relaxed);
    for (uint32_t t = 1; t < members_; ++t) shares_[t].epoch.fetch_add(1);
    wake_sleepers();
    for (uint32_t t = 1; t < members_; ++t) pthread_join(shares_[t].handle, nullptr);
  }
  std::free(shares_);
}

tenon_pool ThreadPool::interface() {
  auto run = [](void* pool, tenon_work work, void* state, int64_t tasks) {
    return static_cast<ThreadPool*>(pool)->run(work, state, tasks);
  };
  return {run, this, threads_};
}

ThreadPool* ThreadPool::share(uint32_t threads) {
  pthread_mutex_lock(&shared_mutex);
  ThreadPool* pool = shared_pools;
  while (pool && pool->threads_ != threads) pool = pool->next_;
  if (!pool && (pool = create(threads))) {
    pool->next_ = shared_pools;
    shared_pools = pool;
  }
  if (pool) ++pool->uses_;
  pthread_mutex_unlock(&shared_mutex);
  return pool;
}

void ThreadPool::unshare(ThreadPool* pool) {
  if (!pool) return;
  pthread_mutex_lock(&shared_mutex);
  bool last = --pool->uses_ == 0;
  if (last) {
    ThreadPool** link = &shared_pools;
    while (*link != pool) link = &(*link)->next_;
    *link = pool->next_;
  }
  pthread_mutex_unlock(&shared_mutex);
  if (last) delete pool;
}

bool ThreadPool::acquire() {
  uint32_t lock = lock_.load(std::memory_order_relaxed);
  uint32_t generation = fork_generation.load(std::memory_order_relaxed);
  bool forked = lock / 2 != generation;
  if (!forked && lock % 2 == 1) return false;
  if (!lock_.compare_exchange_strong(lock, generation * 2 + 1, std::memory_order_acquire)) {
    return false;
  }
  if (forked) {
    // The workers, and perhaps a region they were in, stayed in the parent.
    started_ = false;
    members_ = 1;
    for (uint32_t t = 0; t < threads_; ++t) {
      shares_[t].range = 0;
      shares_[t].epoch = 0;
    }
  }
  return true;
}

void ThreadPool::release() {
  lock_.store(lock_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
}

void ThreadPool::start_workers() {
  started_ = true;
  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  uint32_t existing = 1;
  for (; existing < threads_; ++existing) {
    Share& share = shares_[existing];
    if (pthread_create(&share.handle, nullptr, worker_main, &share) != 0) break;
    char name[16];
    std::snprintf(name, sizeof name, "tenon-%u", existing % 10000);
    pthread_setname_np(share.handle, name);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  members_ = existing;
}

int32_t ThreadPool::run(tenon_work work, void* state, int64_t tasks) {
  if (tasks <= 1 || tasks > INT32_MAX || threads_ == 1 || !acquire()) {
    return tasks > 0 ? work(state, 0, tasks, 0) : 0;
  }
  const int64_t start = now();
  if (start < alone_until_) {
    release();
    return work(state, 0, tasks, 0);
  }
  if (!started_) start_workers();
  failure_.store(0, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  publish(work, state, static_cast<uint32_t>(tasks));
  work_off(0);
  wait_for_others(static_cast<uint32_t>(tasks), start);
  int32_t failure = failure_.load(std::memory_order_relaxed);
  release();
  return failure;
}

void ThreadPool::publish(tenon_work work, void* state, uint32_t tasks) {
  auto start_of = [&](uint64_t t) { return static_cast<uint32_t>(t * tasks / members_); };
  for (uint32_t t = members_; t-- > 0;) {
    Share& share = shares_[t];
    share.region = {work, state};
    share.range.store(pack(start_of(t), start_of(t + 1)), std::memory_order_release);
    if (t > 0) share.epoch.fetch_add(1, std::memory_order_seq_cst);
  }
  wake_sleepers();
}

void ThreadPool::wake_sleepers() {
  // Sequentially consistent, as in `sleep`: either this sees the sleeper, or it sees the epoch.
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  sleepers_.store(0, std::memory_order_seq_cst);
  signal_.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &signal_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void ThreadPool::sleep(Share& share, uint32_t seen) {
  uint32_t signal = signal_.load(std::memory_order_seq_cst);
  sleepers_.store(1, std::memory_order_seq_cst);
  if (share.epoch.load(std::memory_order_seq_cst) != seen) return;
  syscall(SYS_futex, &signal_, FUTEX_WAIT_PRIVATE, signal, nullptr, nullptr, 0);
}

bool ThreadPool::take(Share& share, bool own, uint32_t& begin, uint32_t& end) {
  uint64_t range = share.range.load(std::memory_order_relaxed);
  for (;;) {
    uint32_t first = static_cast<uint32_t>(range), last = static_cast<uint32_t>(range >> 32);
    if (first >= last) return false;
    // A part of what is left: few calls while there is much, and single tasks at the end, so that
    // threads end together.
    uint32_t count = (last - first + 3) / 4;
    begin = own ? first : last - count;
    end = begin + count;
    uint64_t rest = own ? pack(end, last) : pack(first, begin);
    if (share.range.compare_exchange_weak(range, rest, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      return true;
    }
  }
}

void ThreadPool::work_off(uint32_t thread) {
  uint32_t ended = 0;
  for (uint32_t i = 0; i < members_; ++i) {
    Share& share = shares_[(thread + i) % members_];
    uint32_t begin, end;
    while (take(share, i == 0, begin, end)) {
      ended += end - begin;
      if (failure_.load(std::memory_order_relaxed) != 0) continue;
      int32_t status = share.region.work(share.region.state, begin, end, thread);
      int32_t none = 0;
      if (status != 0) failure_.compare_exchange_strong(none, status, std::memory_order_relaxed);
    }
  }
  if (ended > 0) done_.fetch_add(ended, std::memory_order_release);
}

void ThreadPool::wait_for_others(uint32_t tasks, int64_t start) {
  auto all_done = [&] { return done_.load(std::memory_order_acquire) == tasks; };
  if (all_done()) return;
  const int64_t idle = now();
  spin(all_done, -1);
  const int64_t end = now();
  if (end - idle > idle - start + kStallNanoseconds)
    alone_until_ = end + kAloneFactor * (end - idle);
}

void ThreadPool::serve(Share& share) {
  uint32_t seen = 0;
  auto region_began = [&] { return share.epoch.load(std::memory_order_acquire) != seen; };
  while (!stopping_.load(std::memory_order_relaxed)) {
    while (!spin(region_began, kSpinNanoseconds)) sleep(share, seen);
    seen = share.epoch.load(std::memory_order_acquire);
    work_off(share.thread);
  }
}

void* ThreadPool::worker_main(void* share) {
  auto& own = *static_cast<Share*>(share);
  own.pool->serve(own);
  return nullptr;
}

}  // namespace tenon::runtime
