package lakehouse;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.CreateFileOptionKeys;
import org.apache.hadoop.fs.Path;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/**
 * Delta's log on S3, safe for any number of writers, in Spark and outside it.
 *
 * <p>A commit is one PUT that S3 refuses where the object exists ({@code If-None-Match: *}), as delta-rs does it. Delta's
 * own {@code S3SingleDriverLogStore} locks within its JVM only: it looks, then writes, and silently overwrites the commit
 * that another process made in between.
 */
public final class S3ConditionalLogStore extends HadoopFileSystemLogStore {

  private static final int CONFLICT = 409;
  private static final int PRECONDITION_FAILED = 412;

  public S3ConditionalLogStore(Configuration configuration) {
    super(configuration);
  }

  /**
   * Writes a file of the log; unless it may be overwritten, only where there is none.
   *
   * @throws FileAlreadyExistsException another writer was first; Delta then looks at its commit and tries the next one
   */
  @Override
  public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
      throws IOException {
    byte[] content = lines(actions);
    FileSystem files = path.getFileSystem(configuration);
    try {
      put(files, path, content, overwrite);
    } catch (IOException error) {
      if (overwrite || !isRefusal(error)) {
        throw error;
      }
      // The first answer to our own PUT may have been lost on its way, and S3 then refuses its repetition. A commit
      // carries the unique id of its transaction, so the same content is the same commit.
      if (!holds(files, path, content)) {
        FileAlreadyExistsException taken = new FileAlreadyExistsException(path.toString());
        taken.initCause(error);
        throw taken;
      }
    }
  }

  /** An object appears whole, when its PUT has succeeded. */
  @Override
  public Boolean isPartialWriteVisible(Path path, Configuration configuration) {
    return false;
  }

  private static byte[] lines(Iterator<String> actions) {
    StringBuilder text = new StringBuilder();
    actions.forEachRemaining(action -> text.append(action).append('\n'));
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void put(FileSystem files, Path path, byte[] content, boolean overwrite) throws IOException {
    FSDataOutputStreamBuilder<?, ?> builder = files.createFile(path).overwrite(true);
    if (!overwrite) {
      // "must": a file system that does not know the option fails, where it would otherwise overwrite.
      builder.must(CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE, true);
    }
    FSDataOutputStream stream = builder.build();
    try {
      stream.write(content);
    } catch (IOException error) {
      stream.abort(); // closing would publish the part that was written
      throw error;
    }
    stream.close();
  }

  /** Whether S3 refused a PUT because the object exists or is being made at this moment. */
  private static boolean isRefusal(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof AwsServiceException) {
        int status = ((AwsServiceException) cause).statusCode();
        return status == PRECONDITION_FAILED || status == CONFLICT;
      }
    }
    return false;
  }

  private static boolean holds(FileSystem files, Path path, byte[] content) throws IOException {
    try (FSDataInputStream stream = files.open(path)) {
      return Arrays.equals(stream.readAllBytes(), content);
    } catch (FileNotFoundException error) {
      return false; // the other writer is not done yet
    }
  }
}
