# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# The JVM: threads, garbage collection, direct buffers and compression, and `jcmd System.trim_native_heap`, which is
# malloc_trim of the process that it asks.
weight=heavy
packages=openjdk-17-jdk-headless
programs='/usr/lib/jvm/java-17-openjdk-*/bin/java /usr/lib/jvm/java-17-openjdk-*/bin/javac
    /usr/lib/jvm/java-17-openjdk-*/bin/jcmd'
seconds=300

job() {
    local folder
    folder=$(compgen -G '/usr/lib/jvm/java-17-openjdk-*/bin')
    PATH=$folder:$PATH
    cat >Busy.java <<'END'
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.zip.*;

public class Busy {
    static long work(int number) throws Exception {
        Random random = new Random(number);
        long sum = 0;
        List<ByteBuffer> buffers = new ArrayList<>();
        for (int turn = 0; turn < 300; turn++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1000 + random.nextInt(500_000));
            while (buffer.remaining() >= 8) buffer.putLong(turn);
            buffers.add(buffer);
            if (buffers.size() > 50) buffers.subList(0, 30).clear();
            byte[] data = new byte[20_000];
            random.nextBytes(data);
            Arrays.fill(data, 0, 10_000, (byte) turn);
            Deflater deflater = new Deflater();
            deflater.setInput(data);
            deflater.finish();
            byte[] packed = new byte[40_000];
            int length = deflater.deflate(packed);
            deflater.end();
            Inflater inflater = new Inflater();
            inflater.setInput(packed, 0, length);
            byte[] again = new byte[20_000];
            inflater.inflate(again);
            inflater.end();
            if (!Arrays.equals(data, again)) throw new IllegalStateException("damaged");
            sum += Arrays.hashCode(again);
        }
        return sum;
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> results = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            final int number = i;
            results.add(pool.submit(() -> work(number)));
        }
        for (Future<Long> result : results) System.out.println(result.get());
        pool.shutdown();
        for (int i = 0; i < 10; i++) System.gc();
        System.out.println("ready");
        System.out.flush();
        while (System.in.read() >= 0) { }
        System.exit(3);
    }
}
END
    java -version 2>&1 | head -n 1
    javac Busy.java
    mkfifo input
    java -Xmx256m -XX:MaxDirectMemorySize=256m Busy <input >output 2>&1 &
    local pid=$!
    exec 9>input
    server_pid=$pid
    wait_until grep -q '^ready$' output
    loaded "$pid"
    for turn in 1 2 3; do
        jcmd "$pid" System.trim_native_heap >answer 2>&1 || echo "status $?"
        cat answer >>answers
        # 4711:
        # Trim native heap: RSS+Swap: 123M->100M (-23M)
        sed -nE 's/^(Trim native heap: RSS\+Swap: )[0-9]+[BKMG]->[0-9]+[BKMG] \([-+]?[0-9]+[BKMG]\)$/\1FROM->TO (DIFFERENCE)/p' answer
    done
    cat answers >&2
    exec 9>&-
    local status=0
    wait "$pid" || status=$?
    cat output
    echo "status $status"
}
