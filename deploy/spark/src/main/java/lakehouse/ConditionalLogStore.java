package lakehouse;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log, safe for any number of writers, in Spark and outside it.
 *
 * <p>The storage itself refuses a commit where there is one, in one step, as it does for delta-rs. Delta's own stores for
 * disks and S3 lock within their JVM only: they look, then write, and silently overwrite the commit that another process
 * made in between.
 */
abstract class ConditionalLogStore extends HadoopFileSystemLogStore {

  ConditionalLogStore(Configuration configuration) {
    super(configuration);
  }

  /**
   * Writes a file of the log; unless it may be overwritten, only where there is none.
   *
   * @throws java.nio.file.FileAlreadyExistsException another writer was first; Delta then looks at its commit and tries
   *     the next one
   */
  @Override
  public final void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
      throws IOException {
    StringBuilder text = new StringBuilder();
    actions.forEachRemaining(action -> text.append(action).append('\n'));
    byte[] content = text.toString().getBytes(StandardCharsets.UTF_8);
    if (overwrite) {
      replace(path, content, configuration);
    } else {
      create(path, content, configuration);
    }
  }

  /** A file appears whole or not at all. */
  @Override
  public final Boolean isPartialWriteVisible(Path path, Configuration configuration) {
    return false;
  }

  /** Writes a file, whether or not there is one. */
  abstract void replace(Path path, byte[] content, Configuration configuration) throws IOException;

  /** Writes a file where there is none, and throws {@link java.nio.file.FileAlreadyExistsException} where there is. */
  abstract void create(Path path, byte[] content, Configuration configuration) throws IOException;
}
