// The runtime's own threads: runs the tasks of one step at a time on several of them.
//
// A region's tasks are split into one contiguous share per thread, so that a thread meets the same
// part of the data from step to step. A share is a range in one atomic word: its owner takes tasks
// from the front, others steal from the back once their own share is used up. So the calling thread
// can do all the work alone: it waits only for tasks that another thread has taken already, never
// for a thread to start. Idle threads spin for some tens of microseconds, then sleep on a futex.
//
// Where another program takes a core, a thread that has taken a task may not run for milliseconds,
// and the caller waits for it. After such a wait regions run on the caller alone for some time, so
// that waiting costs little of the whole.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "runtime/abi.h"
#include "runtime/array.h"

namespace tenon::runtime {

/// A team of threads; the caller of a region is its thread 0. Workers start with the first region.
/// Any thread may call `run`; while a region is being served, others run on their caller. After a
/// fork the child starts workers of its own.
class ThreadPool : public Allocated {
 public:
  /// At least one thread. Null when memory is short.
  static ThreadPool* create(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  /// As tenon_pool::run: returns the first non-zero value that a task returned, or 0. After one,
  /// tasks that have not begun are left out.
  int32_t run(tenon_work work, void* state, int64_t tasks);

  uint32_t threads() const { return threads_; }
  /// This pool as C sees one.
  tenon_pool interface();

  /// The pool that all models with this number of threads use, so that the threads of one model do
  /// not spin against those of another. Null when memory is short.
  static ThreadPool* share(uint32_t threads);
  /// Ends one use of a shared pool; the last one ends its threads. Null is allowed.
  static void unshare(ThreadPool* pool);

 private:
  struct Region {
    tenon_work work;
    void* state;
  };

  /// What belongs to one thread, in a cache line of its own. `region` is written before `range` and
  /// may be read by who took tasks from `range`, until those are reported done.
  struct alignas(64) Share {
    std::atomic<uint64_t> range = 0;  ///< next task in the low half, end in the high half
    std::atomic<uint32_t> epoch = 0;  ///< counts regions; a worker waits for it to change
    uint32_t thread = 0;
    Region region = {};
    ThreadPool* pool = nullptr;
    pthread_t handle = {};
  };

  explicit ThreadPool(uint32_t threads) : threads_(threads) {}
  bool acquire();
  void release();
  void start_workers();
  void publish(tenon_work work, void* state, uint32_t tasks);
  void wake_sleepers();
  void work_off(uint32_t thread);
  void wait_for_others(uint32_t tasks, int64_t start);
  void serve(Share& share);
  void sleep(Share& share, uint32_t seen);
  static void* worker_main(void* share);
  static bool take(Share& share, bool own, uint32_t& begin, uint32_t& end);

  const uint32_t threads_;
  uint32_t members_ = 1;  ///< threads that exist, the caller's included; fixed once started
  bool started_ = false;
  uint32_t uses_ = 0;           ///< of a shared pool
  int64_t alone_until_ = 0;     ///< nanoseconds; the caller's while it holds the lock
  ThreadPool* next_ = nullptr;  ///< shared pools are a list
  Share* shares_ = nullptr;
  std::atomic<bool> stopping_ = false;

  /// Fork generation in the upper bits; the lowest bit is set while a region is being served.
  std::atomic<uint32_t> lock_ = 0;
  alignas(64) std::atomic<uint32_t> done_ = 0;    ///< tasks of the region that have ended
  std::atomic<int32_t> failure_ = 0;              ///< first non-zero value of a task
  alignas(64) std::atomic<uint32_t> signal_ = 0;  ///< the futex
  std::atomic<uint32_t> sleepers_ = 0;            ///< non-zero when a worker may be asleep
};

}  // namespace tenon::runtime
