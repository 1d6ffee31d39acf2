// SPDX-License-Identifier: Apache-2.0
//
// What the virtual machine learns by SIGSEGV: null references, guard pages of its stacks, safepoints.
import java.lang.reflect.Field;
import java.util.concurrent.atomic.AtomicLong;

public final class Checks {
  private static volatile boolean stop;

  private static void deep() {
    deep();
  }

  private static int nulls(int rounds) {
    Object[] objects = {null, "object"};
    int caught = 0;
    for (int i = 0; i < rounds; ++i) {
      try {
        if (objects[i & 1].hashCode() == 0) caught += rounds;
      } catch (NullPointerException e) {
        ++caught;
      }
    }
    return caught;
  }

  private static int overflows(int rounds) {
    int caught = 0;
    for (int i = 0; i < rounds; ++i) {
      try {
        deep();
      } catch (StackOverflowError e) {
        ++caught;
      }
    }
    return caught;
  }

  private static void crash() throws Exception {
    Class<?> type = Class.forName("sun.misc.Unsafe");
    Field field = type.getDeclaredField("theUnsafe");
    field.setAccessible(true);
    type.getMethod("putAddress", long.class, long.class).invoke(field.get(null), 16L, 0L);
  }

  public static void main(String[] arguments) throws Exception {
    System.out.println("null references " + nulls(40000));
    System.out.println("stack overflows " + overflows(10));
    if (arguments.length != 0 && arguments[0].equals("crash")) crash();

    AtomicLong caught = new AtomicLong();
    Thread[] threads = new Thread[4];
    for (int i = 0; i < threads.length; ++i) {
      threads[i] = new Thread(() -> caught.addAndGet(nulls(40000) + overflows(3)));
      threads[i].start();
    }
    // Threads in a loop without calls: a collection stops them by its polling page.
    Thread looping = new Thread(() -> {
      long n = 0;
      while (!stop) for (int i = 0; i < 1000000; ++i) n += i ^ n;
      System.out.println(n == 42 ? "unlikely" : "the loop ended");
    });
    looping.start();
    for (int i = 0; i < 20; ++i) System.gc();
    for (Thread thread : threads) thread.join();
    stop = true;
    looping.join();
    System.out.println("in threads " + caught.get());
  }
}
