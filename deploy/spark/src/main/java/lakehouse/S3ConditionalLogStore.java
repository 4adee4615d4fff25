package lakehouse;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.CreateFileOptionKeys;
import org.apache.hadoop.fs.Path;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/** Delta's log on S3: a commit is one PUT that S3 refuses where the object exists ({@code If-None-Match: *}). */
public final class S3ConditionalLogStore extends ConditionalLogStore {

  private static final int CONFLICT = 409;
  private static final int PRECONDITION_FAILED = 412;

  public S3ConditionalLogStore(Configuration configuration) {
    super(configuration);
  }

  @Override
  void replace(Path path, byte[] content, Configuration configuration) throws IOException {
    put(path.getFileSystem(configuration).createFile(path).overwrite(true), content);
  }

  @Override
  void create(Path path, byte[] content, Configuration configuration) throws IOException {
    FileSystem files = path.getFileSystem(configuration);
    FSDataOutputStreamBuilder<?, ?> builder = files.createFile(path).overwrite(true);
    // "must": a file system that does not know the option fails, where it would otherwise overwrite.
    builder.must(CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE, true);
    try {
      put(builder, content);
    } catch (IOException error) {
      if (!isRefusal(error)) {
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

  private static void put(FSDataOutputStreamBuilder<?, ?> builder, byte[] content) throws IOException {
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
