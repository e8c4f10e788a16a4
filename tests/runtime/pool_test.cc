// The thread pool: every task once, whatever the threads do.
#include "runtime/pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace tenon::runtime {
namespace {

using Pool = std::unique_ptr<ThreadPool>;
using namespace std::chrono_literals;

/// Counts how often each task ran; not atomic, so that a sanitizer sees two threads at one task.
struct Counter {
  explicit Counter(int64_t tasks) : runs(static_cast<size_t>(tasks)) {}
  std::vector<int> runs;
  std::atomic<uint32_t> threads_seen = 0;

  static int32_t work(void* state, int64_t begin, int64_t end, uint32_t thread) {
    auto& counter = *static_cast<Counter*>(state);
    counter.threads_seen |= 1u << thread;
    for (int64_t t = begin; t < end; ++t) ++counter.runs[static_cast<size_t>(t)];
    return 0;
  }
  bool all_are(int times) const {
    for (int count : runs) {
      if (count != times) return false;
    }
    return true;
  }
};

class PoolOf : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Pool, PoolOf, ::testing::Values(1, 2, 3, 8));

TEST_P(PoolOf, RunsEveryTaskOnce) {
  Pool pool(ThreadPool::create(GetParam()));
  for (int64_t tasks : {0, 1, 2, 3, 7, 8, 9, 100, 10'000}) {
    Counter counter(tasks);
    for (int round = 1; round <= 20; ++round) {
      EXPECT_EQ(pool->run(Counter::work, &counter, tasks), 0);
      ASSERT_TRUE(counter.all_are(round)) << tasks;
    }
    EXPECT_LT(counter.threads_seen, 1u << GetParam());
  }
}

TEST(Pool, WorksAloneAfterAWaitForAThreadThatDidNotRun) {
  Pool pool(ThreadPool::create(2));
  struct State {
    std::atomic<bool> taken = false;
    std::atomic<int> others = 0;
  } state;
  auto stall = [](void* given, int64_t, int64_t, uint32_t thread) {
    auto& s = *static_cast<State*>(given);
    if (thread == 1) {
      s.taken = true;
      std::this_thread::sleep_for(100ms);
    }
    while (!s.taken) std::this_thread::yield();
    return 0;
  };
  auto count = [](void* given, int64_t, int64_t, uint32_t thread) {
    if (thread != 0) ++static_cast<State*>(given)->others;
    return 0;
  };
  EXPECT_EQ(pool->run(stall, &state, 2), 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool->run(count, &state, 1000), 0);
  EXPECT_EQ(state.others, 0);
}

TEST_P(PoolOf, SeesWhatTheLastRegionWrote) {
  Pool pool(ThreadPool::create(GetParam()));
  constexpr int64_t kTasks = 64;
  struct Chain {
    std::vector<int64_t> from = std::vector<int64_t>(kTasks), to = from;
  } chain;
  auto shift = [](void* state, int64_t begin, int64_t end, uint32_t) {
    auto& c = *static_cast<Chain*>(state);
    for (int64_t t = begin; t < end; ++t) {
      c.to[static_cast<size_t>(t)] = c.from[static_cast<size_t>((t + 1) % kTasks)] + 1;
    }
    return 0;
  };
  for (int round = 0; round < 2000; ++round) {
    pool->run(shift, &chain, kTasks);
    std::swap(chain.from, chain.to);
  }
  EXPECT_EQ(chain.from, std::vector<int64_t>(kTasks, 2000));
}

TEST(Pool, WakesThreadsThatSleep) {
  Pool pool(ThreadPool::create(2));
  auto meet = [](void* state, int64_t begin, int64_t, uint32_t) {
    // Ends only once both threads are here.
    auto& here = *static_cast<std::atomic<int>*>(state);
    ++here;
    while (here < 2) sched_yield();
    return static_cast<int32_t>(begin) * 0;
  };
  for (auto pause : {0us, 0us, 20us, 60us, 500us, 5000us, 100us}) {
    std::this_thread::sleep_for(pause);
    std::atomic<int> here = 0;
    EXPECT_EQ(pool->run(meet, &here, 2), 0);
    EXPECT_EQ(here, 2);
  }
}

TEST(Pool, GivesTheFirstFailureAndLeavesTheRestOut) {
  Pool pool(ThreadPool::create(2));
  struct State {
    std::atomic<int> runs = 0;
  } state;
  auto work = [](void* s, int64_t begin, int64_t end, uint32_t) {
    static_cast<State*>(s)->runs += static_cast<int>(end - begin);
    return begin <= 500 && 500 < end ? 17 : 0;
  };
  for (int round = 0; round < 100; ++round) {
    state.runs = 0;
    EXPECT_EQ(pool->run(work, &state, 1000), 17);
    EXPECT_LE(state.runs, 1000);
  }
  auto all_fail = [](void* s, int64_t, int64_t, uint32_t) {
    ++static_cast<State*>(s)->runs;
    return 3;
  };
  state.runs = 0;
  EXPECT_EQ(pool->run(all_fail, &state, 1000), 3);
  EXPECT_LE(state.runs, 2) << "one per thread, none after";
  Counter counter(100);
  EXPECT_EQ(pool->run(Counter::work, &counter, 100), 0) << "a failure does not stay";
  EXPECT_TRUE(counter.all_are(1));
}

TEST(Pool, ServesManyCallersAtOnce) {
  Pool pool(ThreadPool::create(3));
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        Counter counter(50);
        pool->run(Counter::work, &counter, 50);
        EXPECT_TRUE(counter.all_are(1));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(Pool, IsSharedByEqualNumbersOfThreads) {
  ThreadPool* a = ThreadPool::share(3);
  ThreadPool* b = ThreadPool::share(2);
  ThreadPool* c = ThreadPool::share(3);
  EXPECT_EQ(a, c);
  EXPECT_NE(a, b);
  EXPECT_EQ(b->threads(), 2u);
  ThreadPool::unshare(a);
  Counter counter(100);
  c->run(Counter::work, &counter, 100);
  EXPECT_TRUE(counter.all_are(1));
  ThreadPool::unshare(c);
  ThreadPool::unshare(b);
  ThreadPool::unshare(nullptr);
}

TEST(Pool, CanBeMadeAndDroppedAnyTime) {
  for (int round = 0; round < 50; ++round) {
    Pool unused(ThreadPool::create(4));
    Pool pool(ThreadPool::create(4));
    Counter counter(16);
    for (int i = 0; i < round % 3; ++i) pool->run(Counter::work, &counter, 16);
  }
}

// The share of a thread that never gets the CPU is done by the others. Worker 1 is held up inside
// its first task while the caller goes through all the rest.
TEST(Pool, DoesNotWaitForTasksThatNobodyTook) {
  Pool pool(ThreadPool::create(2));
  struct State {
    std::atomic<int64_t> by_caller = 0, by_worker = 0;
    std::atomic<bool> worker_in = false;
  } state;
  auto work = [](void* s, int64_t begin, int64_t end, uint32_t thread) {
    auto& st = *static_cast<State*>(s);
    if (thread == 0) {
      st.by_caller += end - begin;
      return 0;
    }
    st.worker_in = true;
    st.by_worker += end - begin;
    while (st.by_caller + st.by_worker < 1000) sched_yield();
    return 0;
  };
  EXPECT_EQ(pool->run(work, &state, 1000), 0);
  EXPECT_EQ(state.by_caller + state.by_worker, 1000);
}

#ifndef __SANITIZE_THREAD__  // which forbids threads in the child of a program with threads
TEST(Pool, WorksInTheChildOfAFork) {
  Pool pool(ThreadPool::create(2));
  Counter counter(100);
  pool->run(Counter::work, &counter, 100);
  pid_t child = fork();
  if (child == 0) {
    Counter inside(100);
    for (int round = 0; round < 200; ++round) pool->run(Counter::work, &inside, 100);
    bool good = inside.all_are(200);
    pool.reset();
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  pool->run(Counter::work, &counter, 100);
  EXPECT_TRUE(counter.all_are(2)) << "the parent goes on";
}

TEST(Pool, CanBeDroppedInTheChildOfAFork) {
  Pool pool(ThreadPool::create(2));
  Counter counter(100);
  pool->run(Counter::work, &counter, 100);
  pid_t child = fork();
  if (child == 0) {
    pool.reset();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}
#endif

}  // namespace
}  // namespace tenon::runtime
