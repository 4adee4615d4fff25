package lakehouse;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.azurebfs.contracts.exceptions.KeyProviderException;
import org.apache.hadoop.fs.azurebfs.services.KeyProvider;

/**
 * The key of an Azure storage account from the environment, where delta-rs reads it too.
 *
 * <p>Hadoop knows keys only from its configuration, which Spark shows in its UI and writes to its event log.
 */
public final class EnvironmentKeyProvider implements KeyProvider {

  private static final String VARIABLE = "AZURE_STORAGE_ACCOUNT_KEY";

  /** Hadoop makes the provider by name. */
  public EnvironmentKeyProvider() {}

  @Override
  public String getStorageAccountKey(String account, Configuration configuration) throws KeyProviderException {
    String key = System.getenv(VARIABLE);
    if (key == null || key.isEmpty()) {
      throw new KeyProviderException(VARIABLE + " is not set in the environment of this JVM, for " + account);
    }
    return key;
  }
}
