// SPDX-License-Identifier: MIT
//
// thread-local.cc - contract 8, 0.20: thread_local objects of C++ with destructors that allocate, free and touch
// further thread_local objects, which are thereby made anew after the thread began to end; together with keys of
// pthread whose destructors set them again in all four rounds. 3000 threads leave nothing behind.
#include <pthread.h>

#include <climits>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

namespace
{

int failures;

void expect(bool holds, const char *what)
{
    if (!holds) {
        __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
        std::fprintf(stderr, "thread-local: not true: %s\n", what);
    }
}

pthread_key_t key;
unsigned n_rounds, n_objects, n_late_objects;

struct Late {
    std::map<int, std::string> names;
    Late()
    {
        for (int i = 0; i < 20; i++)
            names[i] = std::string(100, static_cast<char>('a' + i));
    }
    ~Late()
    {
        names[20] = "one more";
        expect(names.size() == 21 && names[3] == std::string(100, 'd'), "a late object is whole");
        __atomic_add_fetch(&n_late_objects, 1, __ATOMIC_RELAXED);
    }
};

thread_local Late late; // made by Early's destructor

struct Early {
    std::vector<std::unique_ptr<std::string>> words;
    Early()
    {
        for (std::size_t i = 0; i < 30; i++)
            words.push_back(std::make_unique<std::string>(50 * i, 'w'));
    }
    ~Early()
    {
        std::vector<std::unique_ptr<std::string>> other;
        other.swap(words);
        words.push_back(std::make_unique<std::string>(5000, 'x'));
        expect(late.names.size() == 20, "a thread_local object can be made in another's destructor");
        __atomic_add_fetch(&n_objects, 1, __ATOMIC_RELAXED);
    }
};

thread_local Early early;

struct Round {
    int number;
    std::string text;
};

void key_destructor(void *value)
{
    auto *round = static_cast<Round *>(value);
    expect(round->text == std::string(300, 'r'), "a value of the key is whole");
    __atomic_add_fetch(&n_rounds, 1, __ATOMIC_RELAXED);
    if (round->number + 1 < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(key, new Round{round->number + 1, std::string(300, 'r')});
    delete round;
}

void run()
{
    expect(early.words.size() == 30, "the thread's object is there");
    pthread_setspecific(key, new Round{0, std::string(300, 'r')});
}

std::size_t rss_pages()
{
    unsigned long size = 0, resident = 0;
    std::FILE *stream = std::fopen("/proc/self/statm", "r");
    expect(stream && std::fscanf(stream, "%lu %lu", &size, &resident) == 2,
           "the kernel says how much is resident");
    if (stream)
        std::fclose(stream);
    return resident;
}

} // namespace

int main()
{
    constexpr unsigned n_threads = 3000;
    pthread_key_create(&key, key_destructor);
    std::size_t in_use = 0, resident = 0;
    for (unsigned i = 0; i < n_threads; i += 4) {
        std::vector<std::thread> threads;
        for (int k = 0; k < 4; k++)
            threads.emplace_back(run);
        for (auto &thread : threads)
            thread.join();
        if (i == n_threads / 3) {
            in_use = mallinfo2().uordblks;
            resident = rss_pages();
        }
    }
    expect(n_objects == n_threads && n_late_objects == n_threads, "each object was destroyed once");
    expect(n_rounds == n_threads * PTHREAD_DESTRUCTOR_ITERATIONS, "the key had all its rounds");
    expect(mallinfo2().uordblks <= in_use + 256 * 1024, "nothing stays behind");
    expect(rss_pages() <= resident + 512, "no growth");
    return failures == 0 ? 0 : 1;
}
